"""Following a node's log file: bytes become lines."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path

LAST_LINES = 15  # of a node that failed
TOLD_LINES = 200  # of a task whose output is for the user
_LONGEST = 64 * 1024  # a longer line is cut in pieces


class LineCutter:
    """Bytes in, lines out: whatever the bytes are, without colours and other control sequences."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete with `data`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = b""
        return [_text(line) for line in lines]

    def end(self) -> list[str]:
        """What is left when nothing more comes: at most one line."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []

    @property
    def partial(self) -> str:
        """The line that has not ended yet."""
        return _text(self._rest)


Reading = Callable[[Callable[[], bytes]], bytes]  # calls what reads, and gives b"" when that fails


class NodeLog:
    """What a node writes from now on. `on_line` is called with each line; `last` keeps the newest ones, `keep` of them.

    reading: makes each read; see `Recorder`. A log that cannot be read has no lines.
    """

    def __init__(
        self, path: Path | str, on_line: Callable[[str], object], reading: Reading = lambda read: read(), keep: int = LAST_LINES
    ) -> None:
        self._fd = -1
        self._reading = reading
        self._on_line = on_line
        self._cutter = LineCutter()
        self._wanted: dict[re.Pattern[str], bool] = {}
        self.last: deque[str] = deque(maxlen=keep)
        reading(lambda: self._open(path))

    def _open(self, path: Path | str) -> bytes:
        self._fd = os.open(path, os.O_RDONLY)
        os.lseek(self._fd, 0, os.SEEK_END)  # what a process before this one wrote is not this one's
        return b""

    def read(self) -> None:
        """Take in what was written since the last call."""
        if self._fd < 0:
            return
        while data := self._reading(lambda: os.read(self._fd, 1 << 18)):
            self._take(self._cutter.feed(data))

    def take(self, data: bytes) -> None:
        """Take in what the node wrote and its log file did not get."""
        self._take(self._cutter.feed(data))

    def watch(self, pattern: re.Pattern[str]) -> None:
        """From now on, notice lines in which `pattern` is found."""
        self._wanted[pattern] = False

    def seen(self, pattern: re.Pattern[str]) -> bool:
        """Whether a line, or the one being written, matches a pattern that is watched."""
        return self._wanted.get(pattern, False) or bool(pattern.search(self._cutter.partial))

    def tail(self) -> tuple[str, ...]:
        """The newest lines, also one that has not ended."""
        self.read()
        return (*self.last, *filter(None, [self._cutter.partial]))[-(self.last.maxlen or 0) :]

    def close(self) -> None:
        """Take in the rest and let go of the file."""
        if self._fd >= 0:
            self.read()
            self._take(self._cutter.end())
            fd, self._fd = self._fd, -1
            self._reading(lambda: _closed(fd))

    def _take(self, lines: list[str]) -> None:
        for line in lines:
            for pattern in [p for p, found in self._wanted.items() if not found and p.search(line)]:
                self._wanted[pattern] = True
            self.last.append(line)
            self._on_line(line)


def _closed(fd: int) -> bytes:
    os.close(fd)
    return b""


_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


def _text(line: bytes) -> str:
    shown = line.rstrip(b"\r").rpartition(b"\r")[2]  # a progress bar overwrites its line: its last state counts
    return _CONTROL.sub("", shown.decode("utf-8", "replace"))
