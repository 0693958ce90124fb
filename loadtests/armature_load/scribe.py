"""Writes requests down, one at a time and only when nothing else is to be done.

Requests that began together end together. Were each written down at once, the answers that come meanwhile would be read
milliseconds late, and the latency of one would depend on how many others ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import gevent
from gevent.event import Event

from armature_load.answers import Streamed
from armature_load.asking import Outcome
from armature_load.clock import Clock
from armature_load.records import VERSION


class Scribe:
    """write: gets each record."""

    def __init__(self, clock: Clock, process: int, write: Callable[[dict[str, Any]], None]) -> None:
        self._clock = clock
        self._process = process
        self._write = write
        self._count = 0
        self._outcomes: deque[Outcome] = deque()
        self._some = Event()

    def add(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._some.set()

    def run(self) -> None:
        """Write for ever."""
        while True:
            self._some.wait()
            self._some.clear()
            while self._outcomes:
                self._next()
                gevent.sleep(0)  # sockets first

    def finish(self) -> None:
        """Write what is left."""
        while self._outcomes:
            self._next()

    def _next(self) -> None:
        outcome = self._outcomes.popleft()
        self._count += 1
        self._write(self._record(outcome))

    def _record(self, o: Outcome) -> dict[str, Any]:
        origin = o.started if o.scheduled is None else o.scheduled
        streamed = o.answer if isinstance(o.answer, Streamed) else None
        times = streamed.times if streamed else []
        tokens = streamed.tokens if streamed else None
        usage = o.answer.usage if o.answer else None
        return {
            "v": VERSION,
            "id": f"{self._process}-{self._count}",
            "process": self._process,
            "user": o.request.user,
            "class": o.request.title,
            "phase": o.phase,
            "scheduled": None if o.scheduled is None else self._clock.unix(o.scheduled),
            "started": self._clock.unix(o.started),
            "ended": self._clock.unix(o.ended),
            "ok": o.error is None,
            "status": o.status,
            "error": {"kind": o.error[0], "text": o.error[1]} if o.error else None,
            "ttft_ms": _ms(times[0] - origin) if times else None,
            "e2e_ms": _ms(o.ended - origin),
            "connect_ms": None if o.connect_ms is None else round(o.connect_ms, 3),
            "gaps_ms": [_ms(b - a) for a, b in pairwise(times)],
            "chunk_tokens": tokens if tokens and len(tokens) == len(times) else None,
            "chunks": len(times),
            "asked_input": o.request.asked_input,
            "asked_output": o.request.asked_output,
            "input_tokens": usage.input if usage else None,
            "output_tokens": usage.output if usage else None,
            "cached_tokens": usage.cached if usage else None,
            "session": o.request.session,
            "turn": o.request.turn,
            "prompt_seed": o.request.seed,
        }


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
