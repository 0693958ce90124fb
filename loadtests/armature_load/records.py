"""What is written down: one line per request, one file per process, and one of the run. The fields: docs/reference/records.md."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TextIO

VERSION = 1


class FolderTaken(Exception):
    """The folder holds the records of another run."""


def claim(folder: Path) -> None:
    """Make `folder`. Raises FolderTaken, and OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    if taken := sorted(folder.glob("requests.*.jsonl")) + sorted(folder.glob("load.json")):
        raise FolderTaken(f"{folder} holds the records of another run ({taken[0].name})")


class RequestLog:
    """requests.<process>.jsonl. Lines are kept until `flush`, so that no request waits for a disk."""

    def __init__(self, folder: Path | None, process: int) -> None:
        self._lines: list[str] = []
        self._file: TextIO | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / f"requests.{process}.jsonl").open("w", encoding="utf-8")

    def add(self, record: dict[str, Any]) -> None:
        if self._file is not None:
            self._lines.append(json.dumps(record, separators=(",", ":")))

    def flush(self) -> None:
        if self._file is not None and self._lines:
            lines, self._lines = self._lines, []
            self._file.write("\n".join(lines) + "\n")
            self._file.flush()

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None


def write_json(file: Path, data: dict[str, Any]) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    scratch.replace(file)
