"""One hostile request from a seed and a number. Pure: the same arguments give the same bytes."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import cache, partial

from . import bodies, wire
from .fields import Field, table
from .request import Maker, Request
from .target import Target

KINDS: tuple[tuple[Maker, float], ...] = (
    (bodies.one_field, 40),
    (bodies.many_fields, 10),
    (bodies.prompt, 5),
    (bodies.length, 3),
    (bodies.messages, 4),
    (bodies.tools, 3),
    (bodies.stops, 4),
    (bodies.guide, 14),
    (wire.broken_body, 5),
    (wire.headers, 4),
    (wire.elsewhere, 3),
    (wire.client, 7),
)


def request(seed: int, number: int, target: Target, without: Collection[str] = ()) -> Request:
    """Request `number` of the sequence that `seed` begins.

    The first requests take each field of each route once, so that a short run leaves none out.
    without: kinds to leave out, by whole name or by the part before the colon; another request stands where one of them would.
    """
    rng = random.Random(f"{seed}/{number}")
    makers, weights = zip(*KINDS, strict=True)
    first = _every_field(seed, target)
    make: Maker = partial(bodies.with_field, *first[number]) if number < len(first) else rng.choices(makers, weights)[0]
    while True:
        made = make(rng, target)
        if not {made.kind, made.kind.partition(":")[0]} & set(without):
            return made
        make = rng.choices(makers, weights)[0]


@cache
def _every_field(seed: int, target: Target) -> tuple[tuple[str, Field], ...]:
    """Each field of each route, in the seed's order."""
    every = [(route, each) for route, fields in table(target).items() for each in fields]
    return tuple(random.Random(f"{seed}/fields").sample(every, len(every)))
