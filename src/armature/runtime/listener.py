"""This process's listening sockets and other processes' ports, as the kernel tells."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

import psutil

from armature.errors import UserError

MAX_SYSTEM_PORT = 2**15 - 1


def require_free(host: str, port: int, option: str = "--http-port") -> None:
    """Raise a UserError that names the port, and its holder when the system tells, if nothing can listen there."""
    if not 0 < port < 2**16:
        raise UserError(f"{port} is no port to listen on", where=option, expected="1 to 65535")
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as e:
        raise UserError(f"{host!r} is no address to listen on: {e.strerror}", fix="name an address of this machine") from None
    with socket.socket(address[0], socket.SOCK_STREAM) as probe:
        # What a server sets too: without it, a port whose last connections are still closing would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address[4])
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise UserError(f"cannot listen on {host}:{port}: {e.strerror}", where=f"{option} {port}") from None
            raise UserError(
                f"port {port} on {host} is in use{held_by(port)}",
                where=f"{option} {port}",
                fix="stop that process or choose another port",
            ) from None


def check_system_port(host: str, port: int | None) -> None:
    """`require_free` for the runtime's system server, which takes no greater port than MAX_SYSTEM_PORT. None: there is none."""
    if port is None:
        return
    if port > MAX_SYSTEM_PORT:
        raise UserError(
            f"the runtime cannot serve /health on port {port}",
            where="--system-port",
            expected=f"at most {MAX_SYSTEM_PORT}: the runtime reads this port as a signed 16-bit number",
        )
    require_free(host, port, "--system-port")


def held_by(port: int) -> str:
    """' by NAME (pid N)' for the process that listens on `port`; empty when the system does not tell."""
    try:
        for held in psutil.net_connections("tcp"):
            if held.status == psutil.CONN_LISTEN and held.pid and held.laddr and held.laddr.port == port:
                return f" by {psutil.Process(held.pid).name()} (pid {held.pid})"
    except psutil.Error:
        pass
    return ""


def set_nodelay(port: int) -> bool:
    """Set TCP_NODELAY on this process's listening socket on `port`, and so on all that it will accept.

    The runtime's HTTP server leaves Nagle's algorithm on, which holds back a small write until the peer's delayed
    acknowledgement: 40 ms on every first token of a kept-alive connection. Connections that came before this call get
    it too. Returns False while nothing listens there.
    """
    found = False
    for sock in _own_sockets(port):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = found or _listens(sock)
    return found


def is_listening(port: int) -> bool:
    """Whether this process listens on `port`."""
    return any(_listens(s) for s in _own_sockets(port))


def has_nodelay(port: int) -> bool:
    """Whether this process listens on `port` with TCP_NODELAY set."""
    return any(_listens(s) and s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for s in _own_sockets(port))


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def own_sockets() -> Iterator[socket.socket]:
    """Each TCP socket of this process, as a duplicate that shares its options and is closed when the next one is asked for."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # closed since the listing
        with sock:
            if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
                yield sock


def _own_sockets(port: int) -> Iterator[socket.socket]:
    """Those whose local port is `port`."""
    for sock in own_sockets():
        with contextlib.suppress(OSError):
            if sock.getsockname()[1] == port:
                yield sock
