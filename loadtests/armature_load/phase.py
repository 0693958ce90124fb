"""One phase of a run in one process: every lane at work, until there is nothing left to send, time is up, or somebody stops it."""

from __future__ import annotations

import math
from typing import Literal

import gevent
from gevent.event import AsyncResult
from gevent.lock import Semaphore
from gevent.pool import Group

from armature_load.asking import Asker
from armature_load.clock import Sleeper, now
from armature_load.lanes import Lane, Numbers, Share
from armature_load.requests import Turn
from armature_load.watch import Watch

Reason = Literal["count", "time", "known", "stopped", "error"]
LATE_S = 0.01  # a request that starts so long after it was due counts as late
TICK_S = 0.02  # how often a changing concurrency is looked at
BACK_OFF_S = (0.02, 0.2)  # a closed loop waits after a failure, ever longer: a server that refuses is not hammered


class Phase:
    """The lanes of one phase. origin: its start, of the monotonic clock."""

    def __init__(self, name: str, lanes: tuple[Lane, ...], share: Share, asker: Asker, watch: Watch, origin: float) -> None:
        self.name = name
        self._lanes = lanes
        self._share = share
        self._asker = asker
        self._watch = watch
        self._origin = origin
        self._over: AsyncResult[Reason] = AsyncResult()
        self._senders = Group()  # decide what is sent next
        self._running = Group()  # requests and conversations

    def stop(self, reason: Reason) -> None:
        """Send no more. The first reason counts."""
        if not self._over.ready():
            self._over.set(reason)

    @property
    def stopping(self) -> bool:
        return bool(self._over.ready())

    def run(self, time_s: float | None, drain_s: float) -> Reason:
        """Why it ended. What still runs `drain_s` seconds later is cut off."""
        for lane in self._lanes:
            if lane.shape.kind == "closed":
                self._senders.spawn(self._closed, lane)
            else:
                self._senders.spawn(self._open, lane, math.inf if time_s is None else time_s)
        everything = gevent.spawn(self._all_sent)
        timer = gevent.spawn_later(max(0.0, self._origin + time_s - now()), self.stop, "time") if time_s is not None else None
        reason: Reason = "stopped"
        try:
            reason = self._over.get()
        finally:
            for greenlet in (everything, timer):
                if greenlet is not None:
                    greenlet.kill()
            self._senders.kill()
            if reason != "stopped":
                self._running.join(drain_s)
            self._running.kill()
        return reason

    def _all_sent(self) -> None:
        self._senders.join()
        self._running.join()
        endless = all(lane.count is None and not lane.trace for lane in self._lanes)
        self.stop("time" if endless else "count")

    # A closed loop: as many slots as the level says, each asking one request after the other.

    def _closed(self, lane: Lane) -> None:
        level, numbers, slots = lane.level, Numbers(self._share, lane.conversations), set[int]()

        def wanted() -> int:
            return round(level.at(now() - self._origin))

        def slot(k: int) -> None:
            failures = 0
            while k < wanted() and not self.stopping and (number := numbers.take()) is not None:
                if self._conversation(lane, number, None):
                    failures = 0
                else:
                    gevent.sleep(min(BACK_OFF_S[0] * 2 ** min(failures, 10), BACK_OFF_S[1]))
                    failures += 1
            slots.discard(k)

        self._sleep_until(self._origin)
        while (t := now() - self._origin) < level.seconds:
            for k in range(wanted()):
                if self._share.has(k) and k not in slots:
                    slots.add(k)
                    self._running.spawn(slot, k)
            if not level.changes:
                return
            if not slots and not numbers.left:
                return
            gevent.sleep(min(TICK_S, max(level.seconds - t, 0.001)))

    # An open loop: each request at its time, whatever became of the others.

    def _open(self, lane: Lane, time_s: float) -> None:
        free = Semaphore(max(1, self._share.of(lane.shape.max_in_flight)))
        sleeper = Sleeper()
        try:
            for number, at in lane.due():
                if at >= time_s:  # not left to a race with the timer: as many are sent in every run
                    sleeper.until(self._origin + time_s)
                    return
                if self._share.has(number):
                    sleeper.until(self._origin + at)
                    self._running.spawn(self._due, lane, number, self._origin + at, free)
            if lane.level.seconds < math.inf and not lane.trace:
                sleeper.until(self._origin + lane.level.seconds)  # the last step lasts to its end
        finally:
            sleeper.close()

    def _due(self, lane: Lane, number: int, at: float, free: Semaphore) -> None:
        started = False
        try:
            with free:
                started = True
                if now() - at > LATE_S:
                    self._watch.late += 1
                self._conversation(lane, number, at)
        finally:
            if not started:
                self._watch.dropped += 1

    def _conversation(self, lane: Lane, number: int, due: float | None) -> bool:
        """The `number`-th request, or all turns of the conversation; whether all went well. due: its time in an open loop."""
        turns = 1 if lane.trace else lane.maker(number, self.name).workload.turns
        history: tuple[Turn, ...] = ()
        for turn in range(turns):
            request = lane.request(number, self.name, turn, history)
            ok, text = self._asker.ask(request, self.name, due, keep_text=turns > 1)
            if not ok:
                return False
            if turn + 1 < turns:
                if self.stopping:
                    return True
                history = (*history, Turn(request.content, text))
                think = lane.maker(number, self.name).workload.think_s
                ready = now() + think
                gevent.sleep(think)
                due = None if due is None else ready
        return True

    def _sleep_until(self, t: float) -> None:
        sleeper = Sleeper()
        try:
            sleeper.until(t)
        finally:
            sleeper.close()
