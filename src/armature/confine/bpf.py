"""The filter of a listening socket: a program of the kernel's classic kind that drops packets to other addresses.

Sockets that are accepted from a listener have its filter as well. A program is a row of struct sock_filter: code, jt, jf, k.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from collections.abc import Sequence

from .reach import plain

Step = tuple[int, int, int, int]

SO_ATTACH_FILTER = 26
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF
_LOAD_WORD, _LOAD_BYTE, _SHIFT_RIGHT, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x30, 0x74, 0x15, 0x06
_ALL_OF_IT, _NOTHING = (_RETURN, 0, 0, 0xFFFFFFFF), (_RETURN, 0, 0, 0)
_DESTINATION = {4: 16, 6: 24}  # its offset in a header of that version
_MOST_ADDRESSES = 24  # a jump goes over 255 steps at most


def confine(sock: socket.socket, addresses: Sequence[str]) -> None:
    """Let `sock`, of IPv4 or IPv6, take only what comes to `addresses`. Raises OSError when the kernel refuses."""
    program = only_to(addresses)
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(steps)))


def only_to(addresses: Sequence[str]) -> list[Step]:
    """The program. It goes by the packet's own version: an IPv6 socket may get IPv4 packets, too."""
    values = [plain(a) for a in addresses]
    if len(values) > _MOST_ADDRESSES:
        raise ValueError(f"{len(values)} addresses; a filter holds {_MOST_ADDRESSES}")
    version = [(_LOAD_BYTE, 0, 0, _NETWORK_HEADER), (_SHIFT_RIGHT, 0, 0, 4)]
    return [*version, *_if_version(4, values), *_if_version(6, values), _NOTHING]


def _if_version(version: int, values: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> list[Step]:
    """Steps that decide on packets of `version`, and leave others to what follows."""
    steps: list[Step] = []
    for value in values:
        if value.version == version:
            steps += _if_to(value)
    steps.append(_NOTHING)
    return [(_JUMP_IF_EQUAL, 0, len(steps), version), *steps]


def _if_to(value: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[Step]:
    """Steps that take packets to `value`, and leave others to what follows."""
    words = struct.unpack(f"!{len(value.packed) // 4}I", value.packed)
    steps: list[Step] = []
    for i, word in enumerate(words):
        rest = 2 * (len(words) - i - 1) + 1  # to the end of these steps
        steps += [(_LOAD_WORD, 0, 0, _NETWORK_HEADER + _DESTINATION[value.version] + 4 * i), (_JUMP_IF_EQUAL, 0, rest, word)]
    return [*steps, _ALL_OF_IT]
