"""Hostile and ordinary clients at one deployment, for a while."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from .client import Address, Answer, End, ask
from .generate import request
from .oracle import Case, mistake
from .request import Manner, Request
from .target import Target
from .values import encode
from .watch import Watch

ORDINARY_S = 90.0  # an ordinary request that takes longer is not answered
IDLE_S = 90.0  # by when the last hostile requests must have left the engines
KEPT = 40  # finished hostile requests that a report of a fault names
FAULTS = 200  # after as many the attack ends: more would tell nothing new, and each holds its suspects
SAMPLE_S, LOOK_S = 2.0, 0.25
COMMON, EXAMPLES = ("200", "400", "404", str(End.LEFT)), 3


@dataclass(frozen=True, slots=True)
class Attack:
    """seconds: how long. hostile, ordinary: clients of each sort at a time. deadline_s: after which a hostile client leaves."""

    seconds: float
    seed: int = 0
    hostile: int = 6
    ordinary: int = 2
    deadline_s: float = 20.0
    without: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """A hostile request and what became of it. at: seconds from the attack's start. answer: None while there is none."""

    number: int
    at: float
    request: Request
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not happen. suspects: hostile requests that may have caused it, those in flight first."""

    what: str
    at: float
    suspects: tuple[Sent, ...] = ()


@dataclass(slots=True)
class Log:
    """What happened. quiet_s, beside_s: whole seconds of ordinary requests, before the attack and beside it."""

    target: Target
    attack: Attack
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)  # by kind
    faults: list[Fault] = field(default_factory=list)
    failures: list[Sent] = field(default_factory=list)  # 5xx, whatever the cause
    examples: dict[str, list[Sent]] = field(default_factory=dict)  # a few of each rarer class
    quiet_s: list[float] = field(default_factory=list)
    beside_s: list[float] = field(default_factory=list)
    worst: tuple[float, str] = (0.0, "")  # the slowest ordinary request beside the attack
    sent: int = 0


def outcome(answer: Answer) -> str:
    """The class of an answer: its status, `200 error` for an error within a stream; else how it ended."""
    if answer.end is not End.ANSWERED:
        return str(answer.end)
    return "200 error" if answer.status == 200 and _STREAM_ERROR.search(answer.body) else str(answer.status)


_STREAM_ERROR = re.compile(rb'(?m)^(event: error|data: \{"error")')


@dataclass(slots=True)
class _Run:
    address: Address
    cases: Sequence[Case]
    watch: Watch
    log: Log
    began: float
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    present: dict[int, Sent] = field(default_factory=dict)
    past: deque[Sent] = field(default_factory=lambda: deque(maxlen=KEPT))
    over: asyncio.Event = field(default_factory=asyncio.Event)
    end: float = 0.0

    @property
    def now(self) -> float:
        return time.monotonic() - self.began

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.end and not self.over.is_set()

    def fault(self, what: str) -> None:
        self.log.faults.append(Fault(what, round(self.now, 2), (*reversed(self.present.values()), *reversed(self.past))))
        if len(self.log.faults) >= FAULTS:
            self.over.set()

    async def ordinary(self, case: Case) -> float | None:
        """Seconds of a right answer; None when it is a fault."""
        answer = await ask(self.address, Request("ordinary", case.name, case.route, encode(case.body)), ORDINARY_S)
        if (wrong := mistake(case, answer)) is None:
            return answer.whole_s
        if not self.over.is_set():  # what a dead worker did to others is the dead worker's fault
            self.fault(f"ordinary request {case.name!r}: {wrong}")
        return None

    async def ordinary_client(self, rng: random.Random) -> None:
        while self.goes_on:
            case = rng.choice(self.cases)
            seconds = await self.ordinary(case)
            if seconds is not None:
                self.log.beside_s.append(seconds)
                self.log.worst = max(self.log.worst, (round(seconds, 2), f"{case.name} at {self.now:.0f} s"))

    async def hostile_client(self) -> None:
        while self.goes_on:
            number = next(self.numbers)
            made = request(self.log.attack.seed, number, self.log.target, self.log.attack.without)
            sent = self.present[number] = Sent(number, round(self.now, 2), made)
            answer = await ask(self.address, made, self.log.attack.deadline_s)
            del self.present[number]
            sent = Sent(number, sent.at, made, answer)
            self.past.append(sent)
            self.log.sent += 1
            found = outcome(answer)
            self.log.outcomes.setdefault(made.kind, Counter())[found] += 1
            if found not in COMMON and len(examples := self.log.examples.setdefault(found, [])) < EXAMPLES:
                examples.append(sent)
            if answer.status >= 500 and made.manner is not Manner.PIPELINED:
                self.log.failures.append(sent)
            if answer.end is End.REFUSED:
                await asyncio.sleep(0.5)

    async def look(self) -> None:
        """Ends the attack when a process has ended: what follows would only be its consequences."""
        sampled = 0.0
        while self.goes_on:
            if ended := self.watch.ended():
                self.fault("ended: " + ", ".join(map(str, ended)))
                self.over.set()
            if time.monotonic() - sampled >= SAMPLE_S:
                sampled = time.monotonic()
                await asyncio.to_thread(self.watch.sample)
            await asyncio.sleep(LOOK_S)

    async def quiet(self) -> list[float]:
        """Every case, one after the other."""
        return [seconds for case in self.cases if (seconds := await self.ordinary(case)) is not None]


async def run(url: str, target: Target, cases: Sequence[Case], watch: Watch, attack: Attack) -> Log:
    """Every ordinary request in quiet, then the attack, then until the deployment is idle, then every ordinary request again."""
    log = Log(target, attack)
    it = _Run(Address.of(url), cases, watch, log, time.monotonic())
    log.quiet_s += await it.quiet()
    it.began = time.monotonic()
    it.end = it.began + attack.seconds
    ordinary = (it.ordinary_client(random.Random(f"{attack.seed}/ordinary/{i}")) for i in range(attack.ordinary))
    await asyncio.gather(it.look(), *ordinary, *(it.hostile_client() for _ in range(attack.hostile)))
    if not it.over.is_set():
        if not await _idle(it.address):
            it.fault(f"{await in_flight(it.address):g} requests are still in flight {IDLE_S:g} s after the last client left")
        await it.quiet()
        if ended := watch.ended():
            it.fault("ended: " + ", ".join(map(str, ended)))
    return log


async def _idle(address: Address) -> bool:
    deadline = time.monotonic() + IDLE_S
    while await in_flight(address):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.5)
    return True


async def in_flight(address: Address) -> float:
    """How many requests the frontend counts as not ended. Raises ValueError when it does not count them."""
    answer = await ask(address, Request("watch", "", "/metrics", b"", method="GET"), ORDINARY_S)
    found = re.findall(r"(?m)^dynamo_frontend_inflight_requests(?:\{[^}]*\})? (\S+)$", answer.text)
    if not found:
        raise ValueError(f"the frontend's /metrics has no dynamo_frontend_inflight_requests (status {answer.status})")
    return sum(map(float, found))
