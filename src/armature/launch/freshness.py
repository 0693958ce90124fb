"""Whether a task must run: its outputs exist, and parameters and code are those that made them.

What made an output is kept beside it, in a stamp: the file `.armature.json` in the folder of the task's first output.
It maps the name of a first output to the parameters and the code digests of the run that left it, so that several tasks
may share a folder. A stamp is dropped before its task starts and written after it succeeds: what an interrupted
task left is never taken for good.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from armature.graph.node import TaskSpec
from armature.graph.plan import PlannedNode
from armature.launch.finding import find

STAMP = ".armature.json"
_SHOWN = 3  # differences that a reason names; the rest is counted


@dataclass(frozen=True)
class Verdict:
    """Whether a node must run, and why: one line for the user."""

    run: bool
    reason: str


def why(node: PlannedNode, reran: Sequence[str] = ()) -> Verdict:
    """Whether `node` must run now. A service always must.

    reran: tasks that `node` needs and that ran in this very run: what was made from their old outputs is stale.
    """
    if node.task is None:
        return Verdict(True, "a service")
    try:
        return _why(node.task, reran)
    except OSError as e:
        return Verdict(True, f"the record of its outputs cannot be read: {e.strerror}")


def _why(spec: TaskSpec, reran: Sequence[str]) -> Verdict:
    if missing := [o for o in spec.outputs if not Path(o).exists()]:
        some = len(missing) < len(spec.outputs)
        return Verdict(True, f"part of its result is missing: {_some([Path(o).name for o in missing])}" if some else "no result yet")
    if reran:
        return Verdict(True, f"inputs changed: {_some(list(reran))} ran again")
    stamp = _stamps(spec).get(_key(spec))
    if not isinstance(stamp, dict):
        return Verdict(True, f"no record of what made {spec.outputs[0] if spec.outputs else 'its outputs'}")
    return _compare(stamp, _record(spec))


def write_stamp(spec: TaskSpec) -> None:
    """Note that the outputs of `spec` were made by its parameters and by the code as it is now. Raises OSError."""
    if spec.outputs:
        _store(spec, {**_stamps(spec), _key(spec): _record(spec)})


def drop_stamp(spec: TaskSpec) -> None:
    """Forget what made the outputs of `spec`, because they are about to change. Raises OSError.

    Where the rest of the stamp cannot be written again, as on a full disk, all of it goes: its tasks run once more, and
    none is taken to be up to date that is not.
    """
    stamps = _stamps(spec)
    if stamps.pop(_key(spec), None) is None:
        return
    try:
        _store(spec, stamps)
    except OSError:
        stamp_path(spec).unlink(missing_ok=True)
        raise


def code_digest(module: str) -> str | None:
    """A digest of the source of `module` (of all .py files below it, when it is a package), or None when it cannot be found.

    Nothing is imported, not even the parents of a dotted name, whose import may take seconds.
    """
    spec = find(module)
    if spec is None:
        return None
    digest = hashlib.sha256()
    for name, path in sorted(_sources(spec)):
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def stamp_path(spec: TaskSpec) -> Path:
    """Where the stamp of `spec` lies."""
    return Path(spec.outputs[0]).parent / STAMP


def _compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Verdict:
    before, after = _flat(old.get("params", {})), _flat(new["params"])
    if changed := [k for k in sorted({*before, *after}) if before.get(k, _ABSENT) != after.get(k, _ABSENT)]:
        return Verdict(True, "parameters changed: " + _some([f"{k} {_show(before, k)} -> {_show(after, k)}" for k in changed]))
    code_before, code_after = old.get("code", {}), new["code"]
    if lost := [m for m, digest in code_after.items() if digest is None]:
        return Verdict(True, f"code cannot be found: {_some(lost)}")
    if changed := [m for m in sorted({*code_before, *code_after}) if code_before.get(m) != code_after.get(m)]:
        return Verdict(True, f"code changed: {_some(changed)}")
    if sorted(old.get("outputs", ())) != sorted(new["outputs"]):
        return Verdict(True, "the list of outputs changed")
    return Verdict(False, "up to date")


_ABSENT = object()


def _show(params: Mapping[str, Any], key: str) -> str:
    text = json.dumps(params[key]) if key in params else "nothing"
    return text if len(text) <= 60 else text[:57] + "..."


def _some(items: Sequence[str]) -> str:
    rest = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level of dotted keys; anything else is a leaf."""
    if not isinstance(value, dict) or (not value and prefix):
        return {prefix: value}
    return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()}


def _key(spec: TaskSpec) -> str:
    return Path(spec.outputs[0]).name if spec.outputs else ""


def _record(spec: TaskSpec) -> dict[str, Any]:
    content = {
        "outputs": [Path(o).name for o in spec.outputs],  # names: a cache may be moved
        "params": spec.params,
        "code": {module: code_digest(module) for module in spec.code},
    }
    record: dict[str, Any] = json.loads(json.dumps(content, default=str))  # as it will be read again: tuples become lists
    return record


def _stamps(spec: TaskSpec) -> dict[str, Any]:
    if not spec.outputs:
        return {}
    try:
        stamps = json.loads(stamp_path(spec).read_text())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _store(spec: TaskSpec, stamps: Mapping[str, Any]) -> None:
    path = stamp_path(spec)
    half = path.with_name(f"{STAMP}.{os.getpid()}")
    try:
        half.write_text(json.dumps(stamps, indent=1, sort_keys=True) + "\n")
        half.replace(path)  # at once: a reader never sees half a stamp
    except OSError:
        half.unlink(missing_ok=True)
        raise


def _sources(spec: ModuleSpec) -> Iterator[tuple[str, Path]]:
    if spec.submodule_search_locations is None:
        if spec.origin is not None and Path(spec.origin).is_file():
            yield "", Path(spec.origin)
        return
    for folder in spec.submodule_search_locations:
        for path in Path(folder).rglob("*.py"):
            yield path.relative_to(folder).as_posix(), path
