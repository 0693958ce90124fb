"""Which guides a scheduler is given: those that compiled within limits, and together no more than it has memory for."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import re
import socket
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from typing import Any

from armature.engine.guides import DEAD_END, compiler
from armature.engine.guides.compiler import Outcome, Trial
from armature.engine.types import GuidesUnavailable, RequestRefused
from armature.limits import RequestLimits
from armature.messages.tokens import Guide

AT_ONCE = 8  # trials that run; others wait. Each may take guide_compile_mb.
REMEMBERED = 4096  # outcomes, of some hundred bytes each
ERROR_CHARS = 1000  # of a compiler's message that a client is shown
SPARE_S = 30.0  # for a fork on a busy host, and for the process's own start

_MIB = 1 << 20
_SOURCE_LINE = re.compile(r"^\[\d\d:\d\d:\d\d\] \S+:\d+: ")  # xgrammar's messages begin with time and place in its sources


class Trials:
    """The trials of one engine. `start` it before the engine's schedulers; the rest belongs to one event loop."""

    def __init__(self, limits: RequestLimits) -> None:
        self.pid = 0  # of the process, once it is started
        self._limits = limits
        self._channel: socket.socket | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._room = Room(limits.guide_cache_mb * _MIB)

    def start(self, server_args: Any) -> int:
        """Start the process in which guides are tried; returns its id."""
        self._channel, theirs = socket.socketpair()
        process = multiprocessing.Process(target=compiler.serve, args=(theirs, server_args), daemon=True)
        process.start()
        theirs.close()
        assert process.pid is not None
        self.pid = process.pid
        return self.pid

    @contextlib.asynccontextmanager
    async def admitted(self, guide: Guide) -> AsyncIterator[None]:
        """Inside, the scheduler may be given `guide`. Raises RequestRefused when it does not compile, or not within
        limits; GuidesUnavailable when the engine compiles none."""
        key = hashlib.sha256(f"{guide.kind}\0{guide.text}".encode()).hexdigest()
        outcome = await self._outcome(key, guide)
        if outcome.error == compiler.NO_BACKEND:
            raise GuidesUnavailable(compiler.NO_BACKEND)
        if problem := self._problem(outcome):
            raise RequestRefused(problem)
        async with self._room.taken(key, outcome.size):
            yield

    def close(self) -> None:
        """Ends the process, unless it is dead already."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _problem(self, outcome: Outcome) -> str | None:
        limits = self._limits
        if outcome.dead:
            return DEAD_END
        if outcome.error is not None:
            return f"the guide does not compile: {_SOURCE_LINE.sub('', outcome.error).strip()[:ERROR_CHARS]}"
        if outcome.too_much:
            return f"the guide does not compile within {limits.guide_compile_s} CPU seconds and {limits.guide_compile_mb} MiB"
        if outcome.size > limits.guide_mb * _MIB:
            return f"the compiled guide takes {outcome.size / _MIB:.0f} MiB; at most {limits.guide_mb} are allowed"
        return None

    async def _outcome(self, key: str, guide: Guide) -> Outcome:
        """Of this guide: remembered, of a trial that runs, or of a new one. A client that goes away ends no trial of others."""
        if key in self._outcomes:
            self._outcomes.move_to_end(key)
            return self._outcomes[key]
        if key not in self._running:
            self._running[key] = task = asyncio.create_task(self._try(guide))
            task.add_done_callback(lambda done: self._remember(key, done))
        return await asyncio.shield(self._running[key])

    def _remember(self, key: str, done: asyncio.Task[Outcome]) -> None:
        del self._running[key]
        if not done.cancelled() and done.exception() is None:
            self._outcomes[key] = done.result()
            if len(self._outcomes) > REMEMBERED:
                self._outcomes.popitem(last=False)

    async def _try(self, guide: Guide) -> Outcome:
        limits, loop = self._limits, asyncio.get_running_loop()
        trial = Trial(guide.kind, guide.text, limits.guide_compile_s, limits.guide_compile_mb * _MIB)
        async with self._slots, asyncio.timeout(trial.cpu_s * compiler.WALL_FACTOR + SPARE_S):
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    if self._channel is None:
                        raise RuntimeError("the engine has ended")
                    socket.send_fds(self._channel, [b"t"], [theirs.fileno()])
                ours.setblocking(False)
                answer = b""
                # A trial that is killed resets its socket, if there is something that it did not read.
                with contextlib.suppress(ConnectionError):
                    await loop.sock_sendall(ours, trial.encode())
                    ours.shutdown(socket.SHUT_WR)
                    while part := await loop.sock_recv(ours, 1 << 16):
                        answer += part
        return Outcome(**json.loads(answer)) if answer else Outcome()


class Room:
    """Memory that the guides in flight share. One guide counts once, however many requests use it."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._users: dict[str, int] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def taken(self, key: str, size: int) -> AsyncIterator[None]:
        """Inside, `size` bytes are taken for the guide `key`; waits until there are as many. size: at most the total."""
        while key not in self._users and size > self._free:
            self._waiting.append(freed := asyncio.get_running_loop().create_future())
            try:
                await freed
            finally:
                self._waiting.remove(freed)
        if key not in self._users:
            self._free -= size
        self._users[key] = self._users.get(key, 0) + 1
        try:
            yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self._free += size
            for freed in self._waiting:  # each looks again, the first one first
                if not freed.done():
                    freed.set_result(None)
