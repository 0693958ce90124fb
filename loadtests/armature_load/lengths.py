"""How many tokens a prompt or an answer has: a constant, or drawn per request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from armature_load.draws import Draw

EXPECTED = "N, constant:N, uniform:LOW:HIGH or lognormal:MEAN:SIGMA[:MAX], in tokens"
_PARTS = {"constant": (1,), "uniform": (2,), "lognormal": (2, 3)}


@dataclass(frozen=True)
class Length:
    """constant: `a`. uniform: `a` to `b`, both included. lognormal: mean `a`, standard deviation of the logarithm `b`, at most `most`."""

    kind: Literal["constant", "uniform", "lognormal"]
    a: float
    b: float = 0.0
    most: float = math.inf

    def draw(self, draw: Draw, k: int) -> int:
        """A length, from `draw`'s `k`-th number; at least 1."""
        if self.kind == "constant":
            return int(self.a)
        if self.kind == "uniform":
            return int(self.a) + draw.below(k, int(self.b) - int(self.a) + 1)
        value = math.exp(math.log(self.a) - self.b**2 / 2 + self.b * draw.normal(k))
        return max(1, round(min(value, self.most)))


def parse(text: str) -> Length:
    """Raises ValueError, saying what was expected."""
    kind, *words = text.split(":") if ":" in text else ["constant", text]
    try:
        if len(words) not in _PARTS[kind]:
            raise ValueError(text)
        numbers = [float(w) for w in words]
    except (KeyError, ValueError):
        raise ValueError(f"{text!r} is not a length: expected {EXPECTED}") from None
    if not all(map(math.isfinite, numbers)) or numbers[0] < 1 or (kind != "lognormal" and any(n != int(n) for n in numbers)):
        raise ValueError(f"{text!r} is not a length: expected whole tokens, at least 1, as {EXPECTED}")
    if kind == "uniform" and numbers[1] < numbers[0]:
        raise ValueError(f"{text!r}: HIGH is below LOW")
    if kind == "lognormal" and (numbers[1] < 0 or (numbers[2:] and numbers[2] < 1)):
        raise ValueError(f"{text!r}: SIGMA must be at least 0 and MAX at least 1")
    return Length(kind, *numbers)  # type: ignore[arg-type]
