"""A lock on a task's outputs, between launchers on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from armature.graph.node import TaskSpec

_PAUSE_S = 0.1


class OutputLock:
    """Held by the launcher that builds certain outputs; the others wait.

    The file lies beside the folder of the first output, not in it: a task may replace that folder. The kernel holds the
    lock for the life of the process, so that a launcher that was killed leaves none behind, whatever its file says.
    """

    def __init__(self, spec: TaskSpec) -> None:
        first = Path(spec.outputs[0])
        self.path = first.parent.parent / f".{first.parent.name}.{first.name}.lock"
        self._fd = -1

    async def acquire(self, waiting: Callable[[int | None], object]) -> None:
        """Take the lock; while another has it, `waiting` is called once with the holder's pid. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = False
        while not self.try_acquire():
            if not told:
                waiting(self.holder())
                told = True
            await asyncio.sleep(_PAUSE_S)

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino != os.stat(self.path).st_ino:
                raise FileNotFoundError  # its last holder removed the file between our two calls
        except (BlockingIOError, FileNotFoundError):
            os.close(fd)
            return False
        self._fd = fd
        with contextlib.suppress(OSError):  # the kernel holds the lock; the pid only tells others who has it
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
        return True

    def holder(self) -> int | None:
        """The pid in the lock's file."""
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):  # a file that stays locks nobody out
                self.path.unlink(missing_ok=True)
            os.close(fd)
