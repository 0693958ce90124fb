"""Numbers that depend on what they are for, and on nothing else: no order of calls, no process, no Python version."""

from __future__ import annotations

from hashlib import blake2b
from statistics import NormalDist

_WORDS = 6
_NORMAL = NormalDist()


class Draw:
    """Six independent numbers of one name, for instance ("7", "measure", "12"): about two microseconds.

    A request's draws come from its index, so every process of a run, and every later run with the same seed, draws the same.
    """

    __slots__ = ("_bits",)

    def __init__(self, *name: object) -> None:
        self._bits = blake2b("/".join(map(str, name)).encode(), digest_size=8 * _WORDS).digest()

    def bits(self, k: int) -> int:
        """The `k`-th number (0 to 5), of 64 bits."""
        return int.from_bytes(self._bits[8 * k : 8 * k + 8], "little")

    def unit(self, k: int) -> float:
        """The `k`-th number as a fraction above 0 and below 1."""
        return ((self.bits(k) >> 12) + 0.5) / 2**52

    def below(self, k: int, n: int) -> int:
        """The `k`-th number as one of 0 to n - 1."""
        return self.bits(k) % n

    def normal(self, k: int) -> float:
        """The `k`-th number as one of the standard normal distribution."""
        return _NORMAL.inv_cdf(self.unit(k))
