"""Listeners that the runtime binds on every interface are confined to the address that the planes name.

Its publishers of events over ZMQ bind 0.0.0.0, whatever DYN_EVENT_PLANE_HOST says: that is only the address that they tell
others. So whoever reaches this host could subscribe to what a worker publishes. A bound socket keeps its address, but it
can be given a filter: the kernel then drops what comes to any other address, connection attempts first of all.
"""

from __future__ import annotations

import asyncio
import ctypes
import ipaddress
import socket
import struct

from armature.runtime.listener import own_sockets

EVERY = "0.0.0.0"
FIRST_S, LONGEST_S = 0.05, 5.0
_SO_ATTACH_FILTER = 26
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06


async def keep_confined(host: str) -> None:
    """Confine each such listener of this process soon after it is bound, until cancelled. host: see `confine`."""
    pause = FIRST_S
    while True:
        confine(host)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_S)


def confine(host: str) -> list[int]:
    """Let this process's TCP listeners on 0.0.0.0 take only what comes to `host`; returns their ports.

    host: an IPv4 address; nothing is done for a name, an IPv6 address, or 0.0.0.0 itself, which asks for every interface.
    """
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return []
    ports = []
    for sock in own_sockets() if host != EVERY else ():
        if sock.getsockname()[0] == EVERY and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            _accept_only(sock, address)
            ports.append(sock.getsockname()[1])
    return ports


def _accept_only(sock: socket.socket, address: ipaddress.IPv4Address) -> None:
    """Drop packets to other addresses, by a filter of the kernel's classic kind (struct sock_filter: code, jt, jf, k)."""
    steps = [
        (_LOAD_WORD, 0, 0, _NETWORK_HEADER + 16),  # the IPv4 header's destination
        (_JUMP_IF_EQUAL, 0, 1, int(address)),
        (_RETURN, 0, 0, 0xFFFFFFFF),  # all of the packet
        (_RETURN, 0, 0, 0),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(steps), ctypes.addressof(program)))
