"""Tiny models for tests, built once a session by the same code that plans run."""

from __future__ import annotations

from pathlib import Path

from armature.config.compose import compose
from armature.config.modelref import BuiltModel, locate
from armature.models.make import make


def tiny(name: str, cache: Path) -> Path:
    """The folder of the tiny model `name`, below `cache`."""
    source = locate(compose([f"model={name}"]).deployment.model, cache)
    assert isinstance(source, BuiltModel)
    folder = cache / source.folder
    if not folder.exists():
        make(source.spec, folder, say=lambda _line: None)
    return folder
