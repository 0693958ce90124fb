"""Run directories: finding them, and what they say of themselves."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from armature import env
from armature.errors import UserError, nearest
from armature.graph.plan import Plan
from armature.naming import component

_MARKS = ("plan.json", "load/load.json", "load/requests.0.jsonl", "results/summary.json")  # any of these makes a folder a run
_NUMBERS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Run:
    """One run's directory, `runs/<name>/<id>`."""

    path: Path

    @property
    def label(self) -> str:
        """<name>/<id>"""
        return f"{self.path.parent.name}/{self.path.name}"

    @cached_property
    def name(self) -> str:
        """What its plan is called, as the user wrote it; the folder's name is made from it. The folder's where no plan was kept."""
        try:
            plan = json.loads((self.path / "plan.json").read_bytes())
        except (OSError, ValueError):
            return self.path.parent.name
        return str(plan.get("name") or self.path.parent.name) if isinstance(plan, dict) else self.path.parent.name

    def begins_with(self, word: str) -> bool:
        """Whether `word` is the beginning of its id, of <folder>/<id> or of <name>/<id>."""
        return any(text.startswith(word) for text in (self.path.name, self.label, f"{self.name}/{self.path.name}"))

    @property
    def load(self) -> Path:
        return self.path / "load"

    @property
    def has_load(self) -> bool:
        """Whether a load generator left anything, or its summary is kept."""
        return self.load.is_dir() or (self.results / "summary.json").exists()

    @property
    def results(self) -> Path:
        return self.path / "results"

    @cached_property
    def plan(self) -> Plan | None:
        """What ran; None where no plan was kept. Raises UserError for one that cannot be read."""
        file = self.path / "plan.json"
        if not file.exists():
            return None
        try:
            return Plan.model_validate_json(file.read_bytes())
        except ValidationError as e:
            raise UserError(f"{file} cannot be read: {e.errors()[0]['msg']} at {_at(e)}", expected="a plan of this version") from None

    @cached_property
    def deployment(self) -> dict[str, Any]:
        """The composed configuration; {} where none was kept."""
        return _read_object(self.path / "deployment.json")

    @cached_property
    def host(self) -> dict[str, Any]:
        """`hardware` and `versions` of where it ran; {} where they were not kept."""
        return _read_object(self.path / "host.json")

    @property
    def gpus(self) -> int | None:
        """How many GPUs the plan gives to nodes, shared ones once; None without a plan."""
        return self.plan.gpus if self.plan else None


def find(words: Sequence[str], runs_dir: Path | None = None) -> list[Run]:
    """The runs that `words` name: folders, folders of runs (sweeps), names, <name>/<id>, or the beginning of an id.

    A name is that of a folder under runs/, or what the user called the model or the sweep from which it was made.

    Of a folder of runs, only those that load was put on, if there are any.

    Raises UserError for a word that names none, or several by accident.
    """
    root = runs_dir or env.runs_dir()
    found: list[Run] = []
    for word in words:
        found += [run for run in _named(word, root) if run not in found]
    return found


def newest(runs_dir: Path | None = None) -> Run:
    """The run that began last. Raises UserError when there is none."""
    root = runs_dir or env.runs_dir()
    runs = below(root)
    if not runs:
        raise UserError(f"there is no run under {root}", fix="name a run's directory, or set ARMATURE_RUNS=DIR")
    return max(runs, key=_begun)


def _begun(run: Run) -> float:
    """When a run's plan was written: results and reports may be newer than the run."""
    plan = run.path / "plan.json"
    return (plan if plan.exists() else run.path).stat().st_mtime


def below(folder: Path, depth: int = 3) -> list[Run]:
    """All runs under `folder`, also itself, by path: load.concurrency=4 comes before load.concurrency=16."""
    if _is_run(folder):
        return [Run(folder)]
    if not depth or not os.path.isdir(folder):  # unlike Path's: False for a word that no file system takes as a name
        return []
    return [run for child in sorted(folder.iterdir(), key=lambda p: natural(p.name)) if child.is_dir() for run in below(child, depth - 1)]


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A name to sort by: numbers in it count as numbers."""
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in _NUMBERS.split(name) if part]


def _is_run(folder: Path) -> bool:
    return any(os.path.exists(folder / mark) for mark in _MARKS)


def _named(word: str, root: Path) -> list[Run]:
    folders = [Path(os.path.normpath(base / word)) for base in (env.caller_dir(), root)]
    for folder in (*folders, *_folders_of_name(word, root)):
        if runs := below(folder):
            return [r for r in runs if r.has_load] or runs
    known = below(root)
    if named := [run for run in known if run.name == word]:
        return [r for r in named if r.has_load] or named
    close = [run for run in known if run.begins_with(word)]
    if len(close) == 1:
        return close
    for folder in filter(os.path.isdir, folders):
        raise UserError(f"{folder} is not a run and contains none", expected=f"a folder with {' or '.join(_MARKS)}")
    if close:
        raise UserError(f"{word!r} matches {len(close)} runs", expected="one of " + _list(close))
    guess = nearest(word, [r.label for r in known])
    raise UserError(
        f"there is no run {word!r}: no such folder, and none under {root}",
        expected=f"one of {_list(known)}" if known else None,
        fix=f"did you mean {guess}?" if guess else None,
    )


def _folders_of_name(word: str, root: Path) -> list[Path]:
    """The folders under `root` that a run or a sweep would have that is called `word`, and the run that is called so as <name>/<id>."""
    name, _, run_id = word.rpartition("/")
    return [root / component(word), *([root / component(name) / component(run_id)] if name and run_id else [])]


def _list(runs: Iterable[Run], most: int = 6) -> str:
    labels = [r.label for r in runs]
    return ", ".join(labels[-most:]) + (f" and {len(labels) - most} older" if len(labels) > most else "")


def _read_object(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        value = json.loads(file.read_bytes())
    except ValueError as e:
        raise UserError(f"{file} cannot be read: {e}", expected="a JSON object") from None
    return value if isinstance(value, dict) else {}


def _at(e: ValidationError) -> str:
    return ".".join(map(str, e.errors()[0]["loc"])) or "its top"
