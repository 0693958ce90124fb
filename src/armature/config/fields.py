"""Names of the deployment's fields, for "did you mean"."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from armature.config.schema import Deployment


def fields_at(path: Sequence[str | int]) -> list[str]:
    """The names that may stand below `path`, or [] where any name may (or none can)."""
    here: Any = Deployment
    for part in path:
        here = _step(here, str(part))
        if here is None:
            return []
    return sorted(here.model_fields) if _is_section(here) else []


def dotted_fields(of: type[BaseModel] = Deployment, prefix: str = "") -> list[str]:
    """Every field as a dotted path; names that users choose (roles) are left out."""
    found: list[str] = []
    for name, info in of.model_fields.items():
        found.append(prefix + name)
        inner = _section(info.annotation)
        if inner is not None:
            found += dotted_fields(inner, f"{prefix}{name}.")
    return found


def is_open(path: Sequence[str]) -> bool:
    """Whether `path` may be set although no file mentions it: it lies in a mapping whose keys are the user's (engine.args,
    env), or it is a field of a section that is always there."""
    if "args" in path[:-1] or "env" in path[:-1]:
        return True
    return "roles" not in path and path[-1] in fields_at(path[:-1])


def _step(here: Any, part: str) -> Any:
    if _is_section(here):
        info = here.model_fields.get(part)
        return None if info is None else (_section(info.annotation) or info.annotation)
    if typing.get_origin(here) in (dict, Mapping):
        value = typing.get_args(here)[1]
        return _section(value) or value
    return None


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, if it holds one (`X` or `X | None`)."""
    if _is_section(annotation):
        return typing.cast("type[BaseModel]", annotation)
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return next((a for a in typing.get_args(annotation) if _is_section(a)), None)
    return None


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
