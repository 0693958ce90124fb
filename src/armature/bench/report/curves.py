"""Where configurations stand in plots: on which curve, by what it serves, and at which point of it, by its load. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armature.bench.compare.groups import Repeats, differing, shown_value
from armature.bench.compare.likeness import NOT_THE_LOAD
from armature.bench.compare.settings import TOPOLOGY, arranged, short, telling
from armature.bench.report.figures import DASHES, colour


@dataclass(frozen=True)
class Place:
    """Where one configuration stands.

    curve: the topology, and what else tells it from the other curves. level: its load, in what that differs from the others' loads.
    step: where the level stands among all levels, the smallest first. name: curve and level in words.
    """

    curve: str
    level: str
    step: int
    colour: str
    name: str

    @property
    def dash(self) -> str:
        """Of a line among other levels of its curve."""
        return DASHES[self.step % len(DASHES)]


@dataclass(frozen=True)
class Places:
    """All places by the configurations' letters. level: what the levels are, such as concurrency; "" where they are several things."""

    of: Mapping[str, Place]
    level: str


def places(groups: Sequence[Repeats]) -> Places:
    """Where each configuration stands among the others."""
    columns = [{TOPOLOGY: g.name} | g.config for g in groups]
    config = arranged(differing(list(columns)))
    load = {f: v for f, v in config.items() if f.startswith("load.")}
    serving = telling({f: v for f, v in config.items() if f not in load})
    fields = telling({f: v for f, v in load.items() if f.split(".")[1] not in NOT_THE_LOAD})
    curves = [_curve(column, serving) for column in columns]
    levels = [_level(column, fields) for column in columns]
    ordered = sorted(dict.fromkeys(tuple(column.get(f) for f in fields) for column in columns), key=_order)
    numbers = {curve: number for number, curve in enumerate(dict.fromkeys(curves))}
    title = short(fields[0], fields) if len(fields) == 1 else ""
    found = {
        g.letter: Place(
            curve=curve,
            level=level,
            step=ordered.index(tuple(column.get(f) for f in fields)),
            colour=colour(numbers[curve]),
            name=", ".join(filter(None, [curve, f"{title} {level}".strip()])),
        )
        for g, column, curve, level in zip(groups, columns, curves, levels, strict=True)
    }
    return Places(found, title)


def _curve(column: Mapping[str, Any], fields: Sequence[str]) -> str:
    others = [f"{short(f, fields)} {shown_value(column.get(f))}" for f in fields if f != TOPOLOGY]
    return ", ".join([shown_value(column[TOPOLOGY]), *others])


def _level(column: Mapping[str, Any], fields: Sequence[str]) -> str:
    if len(fields) == 1:
        return shown_value(column.get(fields[0]))
    return ", ".join(f"{short(f, fields)} {shown_value(column.get(f))}" for f in fields)


def _order(values: tuple[Any, ...]) -> list[tuple[bool, float, str]]:
    """Numbers by size, before all else by its text."""
    return [(False, v, "") if isinstance(v, int | float) else (True, 0.0, shown_value(v)) for v in values]
