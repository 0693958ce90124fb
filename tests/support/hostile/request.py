"""One request, as bytes, and how its client behaves."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .target import Target


class Manner(StrEnum):
    """How the client behaves."""

    WHOLE = "reads the whole answer"
    LEAVES_AT_ONCE = "leaves when the request is sent"
    LEAVES_BETWEEN = "leaves after the first bytes of the answer"
    HALF_A_BODY = "sends half of the body, and leaves"
    SLOW_BODY = "sends the body in pieces"
    SLOW_READER = "reads nothing for a while"
    PIPELINED = "sends the request three times at once"


@dataclass(frozen=True, slots=True)
class Request:
    """kind: a name to leave it out by. why: what is hostile about it. headers: besides those that every request has."""

    kind: str
    why: str
    route: str
    body: bytes
    method: str = "POST"
    manner: Manner = Manner.WHOLE
    headers: Mapping[str, str] = field(default_factory=dict)


Maker = Callable[[random.Random, Target], Request]
