"""One clock for everything that is measured, and sleeping until a time of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

import gevent
from gevent import get_hub

now = time.perf_counter

_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1
_READ = 1
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class Clock:
    """Unix times of the monotonic clock's: read off once, so that differences of both agree."""

    def __init__(self) -> None:
        self._offset = time.time() - now()

    @staticmethod
    def now() -> float:
        return now()

    def unix_now(self) -> float:
        return self.unix(now())

    def unix(self, t: float) -> float:
        return round(t + self._offset, 6)

    def monotonic(self, unix: float) -> float:
        return unix - self._offset


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Sleeper:
    """Sleeps until a time of `now`. gevent's own timers are whole milliseconds; a timerfd on Linux is not. Of one greenlet."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        create = getattr(self._libc, "timerfd_create", None)
        self._fd: int = create(_CLOCK_MONOTONIC, _FLAGS) if create else -1
        self._watcher = get_hub().loop.io(self._fd, _READ) if self._fd >= 0 else None

    def until(self, t: float) -> None:
        """Return at `t`, or as soon as the loop comes to it; other greenlets run in any case."""
        wait = t - now()
        if wait <= 0 or self._watcher is None:
            gevent.sleep(max(wait, 0))
            return
        due = _Timer(_Timespec(0, 0), _Timespec(int(t), int(t % 1 * 1e9)))
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(due), None)
        get_hub().wait(self._watcher)
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._fd)
            self._watcher = None
