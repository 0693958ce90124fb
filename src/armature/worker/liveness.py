"""Whether an engine's ranks still work, by what is heard of them. `judge` decides, `keep_watch` acts.

    working      it gave a sign of life within half of check_s
    suspect      silent for longer: no new requests, so that none waits behind a rank that may hang; those in flight go on waiting
    dead         silent for check_s: the worker ends, and its requests go on at another one

A sign is a report of the rank's scheduler, which makes one at least every `engine.scheduler.heartbeat.EVERY_S` seconds or every step,
whichever is longer, and while it is idle. So silence is one step that takes long: check_s must be longer than the longest one, such as
the prefill of a whole chunk. A suspect that gives a sign works again.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Verdict(enum.Enum):
    """What is thought of an engine: as much as of its most silent rank."""

    WORKING = "working"
    SUSPECT = "suspect"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of silence until a rank is suspect and until it is dead, and between two looks."""

    suspect_s: float
    dead_s: float
    look_s: float

    @classmethod
    def of(cls, check_s: float) -> Limits:
        """So that a rank that hangs is suspect within half of `check_s` and dead within `check_s`, although a look may come after
        2 `look_s` only: so late its last sign is heard, and so late its silence is seen.
        """
        look_s = min(0.5, check_s / 40)
        return cls(suspect_s=check_s / 2 - 4 * look_s, dead_s=check_s - 4 * look_s, look_s=look_s)


@dataclass(frozen=True, slots=True)
class Watch:
    """What was heard until `looked_at`. All times are of one monotonic clock, in seconds.

    signs: each rank's last sign; only whether it changes has a meaning. heard: when it was first seen.
    """

    looked_at: float
    signs: Mapping[int, float] = field(default_factory=dict)
    heard: Mapping[int, float] = field(default_factory=dict)

    def look(self, signs: Mapping[int, float], now: float, limits: Limits) -> Watch:
        """The watch after a look at `now`. A rank without a sign stays as it was.

        Time in which nobody looked, because this process itself was held up, is no silence of a rank.
        """
        missed = max(0.0, now - self.looked_at - 2 * limits.look_s)
        heard = {rank: at + missed for rank, at in self.heard.items()}
        heard |= {rank: now for rank, sign in signs.items() if self.signs.get(rank) != sign}
        return Watch(now, {**self.signs, **signs}, heard)


@dataclass(frozen=True, slots=True)
class Judgement:
    """verdict on an engine; rank: its most silent one, and for how long that has been silent."""

    verdict: Verdict
    rank: int | None = None
    silent_s: float = 0.0


def judge(watch: Watch, limits: Limits) -> Judgement:
    """What to think of the engine. Ranks of which nothing was ever heard are not judged: their processes are watched otherwise."""
    if not watch.heard:
        return Judgement(Verdict.WORKING)
    rank = min(watch.heard, key=lambda r: watch.heard[r])
    silent_s = watch.looked_at - watch.heard[rank]
    dead, suspect = silent_s >= limits.dead_s, silent_s >= limits.suspect_s
    return Judgement(Verdict.DEAD if dead else Verdict.SUSPECT if suspect else Verdict.WORKING, rank, silent_s)


class Actions(Protocol):
    """What follows from a judgement."""

    async def suspend(self, why: str) -> bool:
        """Take no new requests. Returns whether that is so now; otherwise it is asked for again."""
        ...

    async def resume(self) -> bool:
        """Take new requests again. Returns whether that is so now."""
        ...

    def give_up(self, why: str) -> None:
        """End the worker."""
        ...


async def keep_watch(
    signs: Callable[[], Awaitable[Mapping[int, float] | None]],
    actions: Actions,
    check_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Watch until the engine is dead, or cancelled. check_s: see above; 0: no watch. clock, sleep: of the same time.

    signs: each rank's last sign of life; None: the engine does what it was asked for and may be silent for as long as it takes.
    """
    if check_s <= 0:
        return
    limits, suspended = Limits.of(check_s), False
    watch = Watch(clock())
    while True:
        await sleep(limits.look_s)
        if (seen := await signs()) is None:
            watch = Watch(clock())
            continue
        watch = watch.look(seen, clock(), limits)
        found = judge(watch, limits)
        if found.verdict is Verdict.DEAD:
            actions.give_up(f"the engine hangs: its rank {found.rank} has been silent for {found.silent_s:.1f} s")
            return
        if found.verdict is Verdict.SUSPECT and not suspended:
            suspended = await actions.suspend(f"rank {found.rank} has been silent for {found.silent_s:.1f} s")
        elif found.verdict is Verdict.WORKING and suspended:
            suspended = not await actions.resume()
