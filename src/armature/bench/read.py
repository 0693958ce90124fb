"""Reading the folder load/ of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from armature.bench.records import VERSION, Client, Load, Request, Sample
from armature.errors import UserError

T = TypeVar("T")


class _Versioned(msgspec.Struct):
    """The one field that every version has."""

    v: int


@dataclass(frozen=True)
class LoadFolder:
    """What a load generator left behind.

    requests: of all processes and phases, in the order in which they were sent. cut_off: how many files end in half a line.
    clients: by process; load: None when the generator was killed before it wrote load.json.
    """

    path: Path
    requests: tuple[Request, ...]
    cut_off: int
    clients: tuple[Client, ...]
    load: Load | None
    samples: tuple[Sample, ...]

    @property
    def measured(self) -> list[Request]:
        """The requests that count."""
        return [r for r in self.requests if r.phase == "measure"]


def read_load(folder: Path) -> LoadFolder:
    """Read everything. Raises UserError, naming the file and line, for files that are missing, broken or of another version."""
    files = sorted(folder.glob("requests.*.jsonl"))
    if not files and not (folder / "load.json").exists():
        raise UserError(
            f"{folder} has no load test: no requests.*.jsonl and no load.json",
            expected="the load/ folder of a run with load",
        )
    requests: list[Request] = []
    cut_off = 0
    for file in files:
        lines, rest = whole_lines(file.read_bytes())
        requests += _rows(file, lines, Request)
        cut_off += bool(rest.strip())
    load = folder / "load.json"
    samples = folder / "samples.jsonl"
    return LoadFolder(
        path=folder,
        requests=tuple(sorted(requests, key=lambda r: r.started)),
        cut_off=cut_off,
        clients=tuple(read_one(f.read_bytes(), Client, str(f)) for f in sorted(folder.glob("client.*.json"))),
        load=read_one(load.read_bytes(), Load, str(load)) if load.exists() else None,
        samples=tuple(_samples(samples)) if samples.exists() else (),
    )


def whole_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """The lines that ended, and what follows the last of them: a line that was cut off, or is still being written."""
    *lines, rest = data.split(b"\n")
    return [line for line in lines if line.strip()], rest


def read_one(data: bytes, kind: type[T], where: str) -> T:
    """One versioned object. Raises UserError, naming `where`."""
    try:
        version = msgspec.json.decode(data, type=_Versioned).v
        if version != VERSION:
            raise UserError(f"{where} has version {version}", expected=f"version {VERSION}", fix="use the Armature version that wrote it")
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as e:
        raise UserError(
            f"{where} cannot be read: {e}", expected=f"a {kind.__name__} of version {VERSION} (armature.bench.records)"
        ) from None


def _rows(file: Path, lines: list[bytes], kind: type[T]) -> Iterator[T]:
    for number, line in enumerate(lines, 1):
        yield read_one(line, kind, f"{file}, line {number},")


def _samples(file: Path) -> Iterator[Sample]:
    lines, _ = whole_lines(file.read_bytes())
    for number, line in enumerate(lines, 1):
        try:
            yield msgspec.json.decode(line, type=Sample)
        except msgspec.MsgspecError as e:
            raise UserError(f"{file}, line {number}, cannot be read: {e}", expected="a Sample (armature.bench.records)") from None
