"""Confines one listener: with a packet filter if the kernel permits it, else by binding it to the loopback interface.

Some kernels accept a filter only from processes with CAP_NET_ADMIN. A listener for this host only can then be bound to the
loopback interface, which needs no privilege: packets from other hosts arrive on other interfaces.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from . import bpf
from .reach import Reach, plain

_LOOPBACK_INTERFACE = b"lo\0"


def confine(sock: socket.socket, addresses: Sequence[str]) -> None:
    """Let `sock`, of IPv4 or IPv6, take only what comes to `addresses`. Raises OSError when the kernel refuses."""
    try:
        bpf.confine(sock, addresses)
    except PermissionError:
        if not _loopback_only(addresses):
            raise
        # The whole of 127.0.0.0/8 and this host's own addresses, from this host: nobody else is let in by that.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LOOPBACK_INTERFACE)


def why_not(reach: Reach) -> str | None:
    """Why this process could not confine a listener on every interface to `reach`; None when it can."""
    if not (addresses := reach.limits("0.0.0.0", 0)):
        return None
    with socket.socket() as s:
        try:
            confine(s, addresses)
        except OSError as e:
            return f"a socket's filter: {e.strerror}; it needs CAP_NET_ADMIN"
    return None


def _loopback_only(addresses: Sequence[str]) -> bool:
    return all(plain(a).is_loopback for a in addresses)
