"""Free TCP ports of this host."""

from __future__ import annotations

import random
import socket

from armature.errors import UserError

# Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes a port between plan and start.
LOWEST, HIGHEST = 20000, 32000


class HostPorts:
    """Free ports, found by binding them. Starts at a random place so that two plans made at once rarely meet."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._next = (rng or random.Random()).randrange(LOWEST, HIGHEST)

    def take(self, host: str, count: int) -> int:
        for _ in range(HIGHEST - LOWEST):
            first = self._next
            self._next += 1
            if self._next + count > HIGHEST:
                self._next = LOWEST
            if all(is_free(host, first + i) for i in range(count)):
                self._next = first + count
                return first
        raise UserError(f"no {count} neighbouring free ports between {LOWEST} and {HIGHEST} on {host}")


class CountingPorts:
    """The same ports every time: for golden files and drawings, where nothing is started."""

    def __init__(self, first: int = LOWEST) -> None:
        self._next = first

    def take(self, host: str, count: int) -> int:
        first, self._next = self._next, self._next + count
        return first


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on host:port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError:
            return False
    return True
