"""A tree of processes as Linux's /proc shows it, and what such a tree may leave behind.

Standard library only, and no import of this project: the guard of a node runs it in an interpreter without site packages.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

SHM = "/dev/shm"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
_LIBC = ctypes.CDLL(None, use_errno=True)


class Process(NamedTuple):
    """One line of the process table. started: clock ticks since boot; with the pid it names a process for good."""

    pid: int
    state: str
    parent: int
    session: int
    started: int


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument. Raises OSError."""
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value})")


def is_subreaper() -> bool:
    """Whether orphans below this process become its children."""
    value = ctypes.c_int(0)
    _LIBC.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0)
    return bool(value.value)


def process(pid: int) -> Process | None:
    """The process with this pid, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            # The name stands in brackets and may hold anything; what follows the last bracket is numbers.
            fields = f.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Process(pid, fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def processes() -> dict[int, Process]:
    """The process table."""
    found = (process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {p.pid: p for p in found if p is not None}


def descendants(roots: Iterable[int], table: Mapping[int, Process]) -> set[int]:
    """All processes below `roots`, without these."""
    children: dict[int, list[int]] = {}
    for p in table.values():
        children.setdefault(p.parent, []).append(p.pid)
    found: set[int] = set()
    todo = list(roots)
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def kill_below(root: int, limit_s: float = 10.0) -> bool:
    """SIGKILL all processes below `root` and reap those that become children of the caller, until none is left.

    Returns False when some could not be killed within `limit_s` (they hang in the kernel).
    """
    return kill_found(lambda: descendants([root], processes()), limit_s)


def kill_found(find: Callable[[], set[int]], limit_s: float = 10.0) -> bool:
    """As kill_below, for what `find` returns each time: a process that forks while it is killed is found the next time."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        left = {pid for pid in find() if not _reaped(pid)}
        if not left:
            return True
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    return False


def shm_had(pids: Iterable[int]) -> set[str]:
    """The files of /dev/shm that these processes map or have open."""
    found: set[str] = set()
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", "rb") as f:
            for line in f:
                if b" " + SHM.encode() + b"/" in line:
                    found.add(os.fsdecode(line.split(None, 5)[5].rstrip(b"\n")))
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if target.startswith(SHM + "/"):
                        found.add(target)
    return {path for path in found if not path.endswith(" (deleted)")}


def shm_names() -> set[str]:
    """The names in /dev/shm now."""
    try:
        return set(os.listdir(SHM))
    except OSError:
        return set()


def remove_shm(had: Iterable[str], before: Iterable[str]) -> list[str]:
    """Remove the files of /dev/shm that a dead tree `had`; returns those removed.

    Left alone are files that were there `before` the run (names), lie in a folder below /dev/shm, are another user's,
    or are mapped or open in any living process: a user may keep a model there, and nodes may share memory.
    """
    old = set(before)
    candidates = {p for p in had if os.path.dirname(p) == SHM and os.path.basename(p) not in old and _is_own_file(p)}
    if candidates:
        candidates -= shm_had(pid for pid, p in processes().items() if p.state != "Z")
    for path in candidates:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return sorted(candidates)


def remove_folder(path: str) -> None:
    """Remove a folder and all in it, as far as that is allowed; follows no link."""
    with contextlib.suppress(OSError):
        with os.scandir(path) as entries:
            inside = list(entries)
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                remove_folder(entry.path)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
        os.rmdir(path)


def _is_own_file(path: str) -> bool:
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid()


def _reaped(pid: int) -> bool:
    """Whether `pid` is gone; takes its status when it is a dead child of this process."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        p = process(pid)
        return p is None or p.state == "Z"  # a zombie is its parent's to reap: that one dies too, or hands it to us
