"""This process's listening sockets and other processes' ports, as the kernel tells."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from armature.address import join
from armature.binding import bind_error, held_by, in_use, look_up
from armature.confine.sweep import listens, own_sockets
from armature.errors import UserError

MAX_SYSTEM_PORT = 2**15 - 1


def require_free(host: str, port: int, option: str = "--http-port") -> None:
    """Raise a UserError that names the port, and its holder when the system tells, if nothing can listen there."""
    if not 0 < port < 2**16:
        raise UserError(f"{port} is not a port to listen on", where=option, expected="1 to 65535")
    at = look_up(host)
    if at.error:
        raise UserError(f"{host!r} is not an address to listen on: {at.error}", fix="use an address of this machine")
    error = bind_error(at, port)
    if error is None:
        return
    if not in_use(error):
        raise UserError(f"cannot listen on {join(host, port)}: {error.strerror}", where=f"{option} {port}")
    raise UserError(
        f"port {port} on {host} is in use{held_by(port)}", where=f"{option} {port}", fix="stop that process or choose another port"
    )


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


def set_nodelay(port: int) -> bool:
    """Set TCP_NODELAY on this process's listening socket on `port`, and so on all that it will accept.

    The runtime's HTTP server leaves Nagle's algorithm on, which holds back a small write until the peer's delayed
    acknowledgement: 40 ms on every first token of a kept-alive connection. Connections that came before this call get
    it too. Returns False while nothing listens there.
    """
    found = False
    for sock in _own_sockets(port):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = found or listens(sock)
    return found


def is_listening(port: int) -> bool:
    """Whether this process listens on `port`."""
    return any(listens(s) for s in _own_sockets(port))


def _own_sockets(port: int) -> Iterator[socket.socket]:
    """Those whose local port is `port`."""
    for sock in own_sockets():
        with contextlib.suppress(OSError):
            if sock.getsockname()[1] == port:
                yield sock
