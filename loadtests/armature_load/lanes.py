"""What runs side by side: classes that share a shape are one lane, a class with a shape of its own is another.

A lane's requests are numbered. Of `processes` processes the p-th sends those with number % processes == p, so any number
of processes sends the same requests at the same times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from armature_load import arrivals
from armature_load.arrivals import Level
from armature_load.draws import Draw
from armature_load.requests import Maker, Request, Turn
from armature_load.settings import Settings, Shape, Warmup
from armature_load.trace import TraceRequest, read_trace


@dataclass(frozen=True)
class Share:
    """Which of all requests are this process's."""

    process: int = 0
    processes: int = 1

    def has(self, number: int) -> bool:
        return number % self.processes == self.process

    def of(self, number: int) -> int:
        """How many of 0 to number - 1 are its."""
        return len(range(self.process, number, self.processes))


class Numbers:
    """The numbers of this process's requests (or conversations), in order, below `count`."""

    def __init__(self, share: Share, count: int | None) -> None:
        self._next, self._step, self._count = share.process, share.processes, count

    @property
    def left(self) -> bool:
        return self._count is None or self._next < self._count

    def take(self) -> int | None:
        if not self.left:
            return None
        n = self._next
        self._next += self._step
        return n


@dataclass(frozen=True)
class Lane:
    """One shape and the classes that share it. count: its requests, a conversation of n turns counting n."""

    name: str
    shape: Shape
    makers: tuple[Maker, ...]
    seed: int
    count: int | None = None
    trace: tuple[TraceRequest, ...] = ()

    @property
    def level(self) -> Level:
        """Concurrency or rate over time."""
        s = self.shape
        if s.steps:
            return arrivals.steps(s.steps)
        value = float(s.concurrency or 1) if s.kind == "closed" else float(s.rate or 0)
        return arrivals.ramp(s.ramp.start, value, s.ramp.seconds) if s.ramp else arrivals.constant(value)

    @property
    def conversations(self) -> int | None:
        """`count` in conversations, rounded up."""
        turns = max(m.workload.turns for m in self.makers)
        return None if self.count is None else -(-self.count // turns)

    def maker(self, number: int, phase: str) -> Maker:
        """Who makes the `number`-th request."""
        if len(self.makers) == 1:
            return self.makers[0]
        at = Draw(self.seed, "class of", self.name, phase, number).unit(0) * sum(m.workload.weight for m in self.makers)
        for maker in self.makers:
            at -= maker.workload.weight
            if at < 0:
                return maker
        return self.makers[-1]

    def request(self, number: int, phase: str, turn: int = 0, history: tuple[Turn, ...] = ()) -> Request:
        if self.trace:
            return self.makers[0].replayed(self.trace[number])
        return self.maker(number, phase).make(number, phase, turn, history)

    def due(self) -> Iterator[tuple[int, float]]:
        """(number, seconds after the start) of every request of an open loop or a trace, of all processes."""
        if self.trace:
            yield from ((n, r.at) for n, r in enumerate(self.trace) if self.count is None or n < self.count)
            return
        most = self.conversations
        for n, t in enumerate(arrivals.arrivals(self.level, self.shape.arrivals, f"{self.seed}/{self.name}")):
            if most is not None and n >= most:
                return
            yield n, t

    def warming(self, warmup: Warmup) -> Lane:
        """The closed loop that warms up for it: of its classes, with prompts of its own."""
        most = warmup.concurrency or (max(1, round(self.level.most)) if self.shape.kind == "closed" else min(8, self.shape.max_in_flight))
        return replace(self, shape=Shape(concurrency=most), count=warmup.count, trace=())


def lanes(settings: Settings, makers: tuple[Maker, ...]) -> tuple[Lane, ...]:
    """The lanes of `settings`, whose classes `makers` make. Raises SettingsError for a trace that cannot be read."""
    shared = tuple(m for m in makers if m.workload.shape is None)
    found = [Lane("shared", settings.shape, shared, settings.seed, settings.end.count)] if shared else []
    found += [Lane(m.workload.title, m.workload.shape, (m,), settings.seed, m.workload.count) for m in makers if m.workload.shape]
    return tuple(replace(x, trace=tuple(read_trace(x.shape.trace, x.shape.speed))) if x.shape.trace else x for x in found)
