"""Which runs are repeats of each other: the same plan hash and the same load, the seed apart, on the same hardware and versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from armature.bench.runs import Run
from armature.bench.summary import Summary

# Settings that differ from run to run of one configuration.
OF_ONE_RUN = frozenset({"seed", "record_dir"})
# Sections of the deployment that no table of settings shows: load's settings say what load was, and where files went changes no figure.
ELSEWHERE = frozenset({"load", "run"})


@dataclass(frozen=True)
class Measured:
    """A run with its summary."""

    run: Run
    summary: Summary


@dataclass(frozen=True)
class Repeats:
    """Runs of one configuration. letter: A is the first that was named, the baseline."""

    letter: str
    runs: tuple[Measured, ...]

    @property
    def name(self) -> str:
        return self.runs[0].run.path.parent.name

    @property
    def label(self) -> str:
        """A topology-model"""
        return f"{self.letter} {self.name}"

    @property
    def config(self) -> dict[str, Any]:
        """Every field of the deployment and of the load, the hardware and the versions, by dotted name."""
        first = self.runs[0]
        s = first.summary
        around = {"load": lasting(s.settings), "hardware": s.hardware, "versions": s.versions}
        deployment = {k: v for k, v in first.run.deployment.items() if k not in ELSEWHERE}
        return flatten(deployment) | flatten(around)


def group(measured: Iterable[Measured]) -> list[Repeats]:
    """Groups of repeats, in the order in which their first runs were named. A run without a plan is nobody's repeat."""
    found: dict[str, list[Measured]] = {}
    for m in measured:
        s = m.summary
        configuration = s.plan_hash or str(m.run.path)
        key = json.dumps([configuration, s.model, lasting(s.settings), s.hardware, s.versions], sort_keys=True)
        found.setdefault(key, []).append(m)
    return [Repeats(_letter(i), tuple(runs)) for i, runs in enumerate(found.values())]


def usable(groups: Iterable[Repeats]) -> list[Repeats]:
    """The groups without invalid runs, under the letters that they have; groups that keep no run are gone."""
    kept = [Repeats(g.letter, tuple(m for m in g.runs if not m.summary.failures)) for g in groups]
    return [g for g in kept if g.runs]


def lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are the same in every repeat."""
    return {k: v for k, v in settings.items() if k not in OF_ONE_RUN}


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names, also those in lists; other lists stay values."""
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            flat |= flatten(inner, f"{prefix}{name}.")
        elif isinstance(inner, list) and inner and all(isinstance(i, Mapping) for i in inner):
            for number, part in enumerate(inner):
                flat |= flatten(part, f"{prefix}{name}[{number}].")
        else:
            flat[f"{prefix}{name}"] = inner
    return flat


def differing(columns: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The names whose values are not the same in all columns, with these values; None where a column has no such name."""
    names = dict.fromkeys(name for column in columns for name in column)
    rows = {name: [column.get(name) for column in columns] for name in names}
    return {name: values for name, values in rows.items() if any(v != values[0] for v in values)}


def shown_value(value: Any) -> str:
    """A configured value, as a user would write it."""
    return value if isinstance(value, str) else json.dumps(value)


def _letter(number: int) -> str:
    """A, B, ... Z, A1, B1, ..."""
    turn, place = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(turn) if turn else "")
