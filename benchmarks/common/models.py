"""The tiny model that needs no download, for benchmarks of what is around an engine."""

from __future__ import annotations

from pathlib import Path

from armature.config.compose import compose
from armature.config.modelref import BuiltModel, locate
from armature.models.make import make


def tiny_model(folder: Path) -> Path:
    """Build it below `folder`; returns its own folder."""
    source = locate(compose(["model=tiny-qwen3"]).deployment.model, folder)
    assert isinstance(source, BuiltModel)
    model = folder / "model"
    make(source.spec, model, say=lambda _line: None)
    return model
