"""Names of the deployment's fields: which exist, and which the user may make up."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from armature.config.schema import Deployment
from armature.config.section import Text


@dataclass(frozen=True)
class Unknown:
    """The first part of a path that names nothing. before: the parts that are right. names: what could stand in its place."""

    before: tuple[str, ...]
    part: str
    names: tuple[str, ...]


def unknown_part(path: Sequence[str], tree: Any) -> Unknown | None:
    """The first part of `path` that is no field; None where there is none. tree: a composed configuration, for names that a file chose
    (the groups of a topology)."""
    here: Any = Deployment
    for at, part in enumerate(path):
        if _is_section(here):
            names = sorted(here.model_fields)
        elif _maps_sections(here):
            names = sorted(tree) if isinstance(tree, Mapping) else []
        else:
            # Below a mapping of values any name may stand, below a value none.
            return None if _is_mapping(here) else Unknown(tuple(path[:at]), part, ())
        if part not in names:
            return Unknown(tuple(path[:at]), part, tuple(names))
        here, tree = _step(here, part), tree.get(part) if isinstance(tree, Mapping) else None
    return None


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
    holder = _at(path[:-1])
    if _is_section(holder):
        return "roles" not in path and path[-1] in holder.model_fields
    return any(_is_mapping(_at(path[:end])) and not _maps_sections(_at(path[:end])) for end in range(1, len(path)))


def is_text(path: Sequence[str]) -> bool:
    """Whether `path` lies in a mapping from names to text, such as an environment."""
    holder = _at(path[:-1])
    return _is_mapping(holder) and typing.get_args(holder)[1] == Text


def _at(path: Sequence[str]) -> Any:
    """The type of what stands at `path`; None where nothing does, or anything may."""
    here: Any = Deployment
    for part in path:
        here = _step(here, part)
    return here


def _step(here: Any, part: str) -> Any:
    if _is_section(here):
        info = here.model_fields.get(part)
        return None if info is None else (_section(info.annotation) or info.annotation)
    if _is_mapping(here):
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


def _is_mapping(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (dict, Mapping)


def _maps_sections(annotation: Any) -> bool:
    return _is_mapping(annotation) and _section(typing.get_args(annotation)[1]) is not None
