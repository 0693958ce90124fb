"""Every listen(2) of a process tree waits until its supervisor has looked at the socket (seccomp's user notification).

    supervisor                                    tree
        fork ───────────────────────────────────▶ child
        may_look(child) ── "yes" or "no" ───────▶ install(): from here on, for it and all that it starts
        take ◀───────────── the listener's fd ─── exec
        Supervisor.answer  ◀── listen(fd) waits ──▶ goes on, confined

What a process calls makes no difference: C++, Rust, Go, a library that was loaded later. The filter is inherited by every process
below, and nothing can take it off. Other system calls pass at once. Needs Linux 5.6, and the right to look at the tree's files, which
an ancestor has, unless a container forbids it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import socket
import struct
import sys

from . import narrow
from .reach import Reach

# Of each machine: the kernel's name for it in a filter, and its numbers of the calls that are used here.
_ARCHITECTURE, _SECCOMP, _LISTEN = {"x86_64": (0xC000003E, 317, 50), "aarch64": (0xC00000B7, 277, 201)}.get(platform.machine(), (0, 0, 0))
_PIDFD_GETFD = 438
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_NEW_LISTENER, _SPEC_ALLOW = 1 << 3, 1 << 2  # the latter: no slower loads in what is filtered
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_RECEIVE, _SEND, _STILL_VALID = 0xC0502100, 0xC0182101, 0x40082102
_GO_ON = 1
_NOTIFICATION, _ANSWER = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def install() -> int:
    """Have every listen(2) of this process, and of all that it will start, wait for the supervisor. Returns the fd to ask it by.

    Raises OSError where the kernel refuses.
    """
    if not _ARCHITECTURE:
        raise OSError(errno.ENOSYS, f"not known for {platform.machine()}")
    program = [
        *((0x20, 0, 0, 4), (0x15, 0, 3, _ARCHITECTURE)),  # of another machine's kind (32 bits): let pass
        *((0x20, 0, 0, 0), (0x15, 0, 1, _LISTEN)),
        (0x06, 0, 0, _ASK),
        (0x06, 0, 0, _ALLOW),
    ]
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    described = Program(len(program), ctypes.addressof(steps))
    fd = _seccomp(described)
    if fd < 0 and ctypes.get_errno() == errno.EACCES:  # without privileges: allowed to those who renounce what setuid programs give
        _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        fd = _seccomp(described)
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
    return fd


def why_not(child: int) -> str | None:
    """Why this process could not supervise `child`; None when it can."""
    try:
        fd = _descriptor_of(child, 0)
    except OSError as e:
        return f"pidfd_getfd: {e.strerror}"
    os.close(fd)
    return None


class Supervisor:
    """Answers for a tree. fileno: readable when a process waits, and hung up when the last one has ended."""

    def __init__(self, fd: int, reach: Reach) -> None:
        self._fd, self._reach = fd, reach

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)

    def answer(self) -> None:
        """Take one process's call, confine its socket, and let it go on. A socket that cannot be confined may not listen."""
        notification = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._fd, _RECEIVE, notification)
        except OSError:
            return  # it was killed, or a signal came first: whoever still waits is told of again
        known, thread, _, _, _, _, descriptor, *_ = _NOTIFICATION.unpack(notification)
        refused = 0
        try:
            self._confine(known, thread, descriptor)
        except (OSError, ValueError) as e:
            refused = -errno.EACCES
            print(f"guard: process {thread} may not listen: its socket cannot be confined: {e}", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):  # it was killed meanwhile
            fcntl.ioctl(self._fd, _SEND, _ANSWER.pack(known, 0, refused, 0 if refused else _GO_ON))

    def _confine(self, known: int, thread: int, descriptor: int) -> None:
        try:
            fd = _descriptor_of(_process_of(thread), descriptor & 0xFFFFFFFF)
        except OSError as e:
            if e.errno in (errno.EBADF, errno.ESRCH, errno.ENOENT):
                return  # nothing that could listen
            raise
        try:
            sock = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            return  # no socket: the kernel will say so
        with sock:
            if sock.family not in (socket.AF_INET, socket.AF_INET6):
                return
            fcntl.ioctl(self._fd, _STILL_VALID, struct.pack("Q", known))  # else the number may be another process's by now
            address, port = sock.getsockname()[:2]
            if limits := self._reach.limits(address, port):
                narrow.confine(sock, limits)


def _seccomp(program: Program) -> int:
    return int(_LIBC.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER | _SPEC_ALLOW, ctypes.byref(program)))


def _process_of(thread: int) -> int:
    with open(f"/proc/{thread}/status", "rb") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(b"Tgid:"))


def _descriptor_of(pid: int, descriptor: int) -> int:
    """A copy of another process's file descriptor. Raises OSError."""
    process = os.pidfd_open(pid)
    try:
        fd = int(_LIBC.syscall(_PIDFD_GETFD, process, ctypes.c_int(descriptor), 0))
    finally:
        os.close(process)
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd
