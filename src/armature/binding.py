"""Whether this machine can listen somewhere, and who does already."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Found:
    """What a look-up of a host found. error: why it found nothing, in the system's words; else `family` and `sockaddr`, for port 0."""

    host: str
    error: str | None = None
    family: int = 0
    sockaddr: tuple[Any, ...] = ()

    @property
    def ip(self) -> str:
        """The address as text."""
        return str(self.sockaddr[0]) if self.sockaddr else ""


def look_up(host: str) -> Found:
    """Look `host` up, once. An address is found as itself, without asking anybody."""
    try:
        family, _, _, _, sockaddr = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as e:  # UnicodeError: a label of a name that IDNA cannot write
        return Found(host, (e.strerror if isinstance(e, OSError) else None) or str(e))
    return Found(host, None, family, sockaddr)


def bind_error(at: Found, port: int) -> OSError | None:
    """Why a server could not listen there now; None when it could. Port 0 asks about the address alone."""
    with socket.socket(at.family, socket.SOCK_STREAM) as s:
        # As servers do: without it, a port whose last connections are still closing would look taken.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((at.sockaddr[0], port, *at.sockaddr[2:]))
        except OSError as e:
            return e
    return None


def in_use(error: OSError) -> bool:
    """Whether another process has the port; else the error is about the address, or about a right that is missing."""
    return error.errno == errno.EADDRINUSE


def holder(port: int) -> str | None:
    """The process that listens on `port`, as `pid 12 (python -m http.server)`, if we may know it."""
    import psutil  # it takes 20 ms, and is needed only here

    try:
        pid = next((c.pid for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port and c.status == "LISTEN"), None)
        if pid is None:
            return None
        command = " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return None
    return f"pid {pid} ({command if len(command) <= 120 else command[:117] + '...'})"


def held_by(port: int) -> str:
    """' by pid 12 (...)', or '' when the system does not tell."""
    found = holder(port)
    return f" by {found}" if found else ""
