"""What is written down: one line per request, one file per process, and one of the run. The fields: docs/reference/records.md."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from io import FileIO
from pathlib import Path
from typing import Any

VERSION = 1


class FolderTaken(Exception):
    """The folder holds the records of another run."""


def claim(folder: Path) -> None:
    """Make `folder`. Raises FolderTaken, and OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    if taken := sorted(folder.glob("requests.*.jsonl")) + sorted(folder.glob("load.json")):
        raise FolderTaken(f"{folder} holds the records of another run ({taken[0].name})")


class RequestLog:
    """requests.<process>.jsonl. Lines are kept until `flush`, so that no request waits for a disk.

    Nothing here raises: a disk that is full must not end the load in the middle. `gaps` says what is missing then.
    """

    def __init__(self, folder: Path | None, process: int) -> None:
        self._lines: list[str] = []
        self._path = folder / f"requests.{process}.jsonl" if folder is not None else None
        self._file: FileIO | None = None
        self._lost = 0
        self._why = ""
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = FileIO(self._path, "w")
            except OSError as e:
                self._why = e.strerror or str(e)

    def add(self, record: dict[str, Any]) -> None:
        if self._path is not None:
            self._lines.append(json.dumps(record, separators=(",", ":")))

    def flush(self) -> None:
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            self._write(("\n".join(lines) + "\n").encode())
        except OSError as e:
            self._lost += len(lines)
            self._why = e.strerror or str(e)

    def gaps(self) -> str | None:
        """What these records lack, and why; None when they are whole."""
        return f"{self._path} lacks up to {self._lost} requests: {self._why}" if self._why else None

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as e:  # a network's file system may find out here
                self._why = e.strerror or str(e)

    def _write(self, data: bytes) -> None:
        """All of `data`, or nothing: no reader finds half a line."""
        if self._file is None:
            raise OSError(errno.EBADF, self._why)
        done = 0
        try:
            while done < len(data):
                done += self._file.write(data[done:])
        except OSError:
            if done:
                self._file.truncate(os.fstat(self._file.fileno()).st_size - done)
                self._file.seek(0, os.SEEK_END)
            raise


def try_write_json(file: Path, data: dict[str, Any]) -> str | None:
    """Write `file`, whole or not at all; why it could not be written, if so."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        scratch.replace(file)
    except OSError as e:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        return f"{file} cannot be written: {e.strerror or e}"
    return None
