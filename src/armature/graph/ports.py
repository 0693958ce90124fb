"""Free TCP ports of this host."""

from __future__ import annotations

import random

from armature.address import EVERY, is_literal
from armature.binding import Found, bind_error, look_up
from armature.errors import UserError

# Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes a port between plan and start.
LOWEST, HIGHEST = 20000, 32000


class HostPorts:
    """Free ports, found by binding them. Starts at a random place so that two plans made at once rarely meet."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._next = (rng or random.Random()).randrange(LOWEST, HIGHEST)

    def take(self, host: str, count: int) -> int:
        at = _where(host)
        for _ in range(HIGHEST - LOWEST):
            first = self._next
            self._next += 1
            if self._next + count > HIGHEST:
                self._next = LOWEST
            if all(bind_error(at, first + i) is None for i in range(count)):
                self._next = first + count
                return first
        raise UserError(f"no {count} consecutive free ports between {LOWEST} and {HIGHEST} on {host}")


class CountingPorts:
    """The same ports every time: for golden files and drawings, where nothing is started."""

    def __init__(self, first: int = LOWEST) -> None:
        self._next = first

    def take(self, host: str, count: int) -> int:
        first, self._next = self._next, self._next + count
        return first


def _where(host: str) -> Found:
    """Where ports are tried: on every interface for a name, which only the launcher looks up, and for an address of another machine, for
    which a plan can be made here."""
    at = look_up(host if is_literal(host) else EVERY)
    return at if bind_error(at, 0) is None else look_up(EVERY)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on host:port now."""
    at = look_up(host)
    return at.error is None and bind_error(at, port) is None
