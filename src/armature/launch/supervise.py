"""Starting nodes in order of need, watching them, and stopping them in the reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from armature.graph.node import LogProbe, TaskSpec
from armature.graph.plan import Plan, PlannedNode
from armature.launch import freshness
from armature.launch.hosts.base import HostAgent, RunningNode
from armature.launch.lock import OutputLock
from armature.launch.nodelog import LAST_LINES, TOLD_LINES, NodeLog
from armature.launch.probes import NotReady, until_ready
from armature.launch.recorder import Recorder

_FOLLOW_S = 0.05


async def any_of(*waited: asyncio.Future[Any]) -> None:
    """Return when at least one of these is done; cancels none."""
    await asyncio.wait(set(waited), return_when=asyncio.FIRST_COMPLETED)


@dataclass(frozen=True)
class Failure:
    """Why a run cannot go on. node: whose fault it is; text: what happened; last_lines: the newest of its output."""

    node: str
    text: str
    last_lines: tuple[str, ...] = ()


class NodeFailed(Exception):
    """A node did not do what it is there for."""


class Supervisor:
    """The nodes of one plan. `failure` is set when the first of them fails; stopping is the caller's decision.

    agents: what starts nodes on each host, by the hosts' names. All that it records goes through `recorder`, which never raises.
    """

    def __init__(self, plan: Plan, agents: Mapping[str, HostAgent], recorder: Recorder) -> None:
        self.plan, self._agents, self._recorder, self._emit = plan, agents, recorder, recorder.emit
        self.failure: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self.bad: list[str] = []  # tasks whose outputs are there and tell nothing good
        self.unclean: list[str] = []  # nodes that did not end in time and were killed
        self._processes: dict[str, RunningNode] = {}
        self._logs: dict[str, NodeLog] = {}
        self._ready = {n.name: asyncio.Event() for n in plan.nodes}
        self._stops: dict[str, asyncio.Task[None]] = {}
        self._released: set[str] = set()
        self._serving = False
        self._deaths: dict[str, list[float]] = {}
        self._revivals: dict[str, asyncio.Task[None]] = {}
        self._reran: set[str] = set()
        self._follower = asyncio.create_task(self._follow())

    async def start(self) -> None:
        """Return when every service is ready and every task has ended; never, when one fails: see `failure`."""
        await asyncio.gather(*(self._bring_up(n) for n in self.plan.nodes))
        self._serving = True

    async def drain(self, first: Iterable[str] = ()) -> None:
        """Stop everything in reverse order of need, and of that the nodes in `first` before the others."""
        await asyncio.gather(*(self._stop(n) for n in first))
        await asyncio.gather(*(self._stop(n.name) for n in self.plan.nodes))

    def kill(self) -> None:
        """Kill everything now. `drain` then returns soon."""
        for process in self._processes.values():
            process.kill()

    async def close(self) -> None:
        """Take in the last lines of all logs."""
        self._follower.cancel()
        for log in self._logs.values():
            log.close()

    async def _bring_up(self, node: PlannedNode) -> None:
        try:
            for need in node.needs:
                await self._ready[need].wait()
            await (self._run_task(node, node.task) if node.task else self._run_service(node))
        except (NodeFailed, NotReady, OSError) as e:
            self._fail(node, str(e))
            await asyncio.Event().wait()  # nothing that needs it may start; the caller cancels
        self._ready[node.name].set()
        if node.task:
            self._release()

    def _release(self) -> None:
        """In a run that ends by itself: stop the services that nothing needs any more, while the last tasks still work."""
        for node in reversed(self.plan.nodes) if self.plan.until else ():
            users = [n for n in self.plan.nodes if node.name in n.needs]
            if node.kind == "service" and users and node.name not in self._stops and all(self._is_over(n) for n in users):
                self._released.add(node.name)
                self._stop(node.name)

    def _is_over(self, node: PlannedNode) -> bool:
        return self._ready[node.name].is_set() if node.task else node.name in self._released

    async def _run_service(self, node: PlannedNode) -> None:
        assert node.ready is not None
        self._emit(node.name, "starting")
        begun = asyncio.get_running_loop().time()
        process, log = self._spawn(node)
        probe = asyncio.create_task(until_ready(node.ready, lambda pattern: _seen(log, pattern)))
        try:
            await any_of(probe, process.ended)
            if process.ended.done():
                raise NodeFailed(f"ended before it was ready: {process.ended.result()}")
            probe.result()
        finally:
            probe.cancel()
        self._emit(node.name, "ready", f"{asyncio.get_running_loop().time() - begun:.1f} s", pid=process.pid)
        process.ended.add_done_callback(lambda _: self._died(node))

    async def _run_task(self, node: PlannedNode, spec: TaskSpec) -> None:
        reran = [n for n in node.needs if n in self._reran]
        if not (verdict := freshness.why(node, reran)).run:
            self._emit(node.name, "skipped", verdict.reason)
            return
        lock = OutputLock(spec) if spec.outputs else None
        process: RunningNode | None = None
        try:
            if lock:
                await lock.acquire(lambda pid: self._emit(node.name, "waiting", f"pid {pid} is making the same outputs"))
            if not (verdict := freshness.why(node, reran)).run:
                self._emit(node.name, "skipped", verdict.reason)
                return
            self._forget(node)
            self._emit(node.name, "starting", verdict.reason)
            process, _ = self._spawn(node)
            ending = await asyncio.shield(process.ended)
            await asyncio.shield(process.gone)
            bad = ending.exit_code in spec.bad
            if not ending.ok and not bad:
                raise NodeFailed(f"failed: {ending}")
            if missing := [o for o in spec.outputs if not Path(o).exists()]:
                raise NodeFailed(f"ended with {ending} without writing {', '.join(missing)}")
            if bad:
                self.bad.append(node.name)
            else:
                self._recorder.keep(f"the stamp of {node.name}", lambda: freshness.write_stamp(spec))
            self._reran.add(node.name)
            said = {"last_lines": self._logs[node.name].tail()} if spec.tells else {}
            self._emit(node.name, "exited", f"its result is invalid: {ending}" if bad else str(ending), exit_code=ending.exit_code, **said)
        finally:
            if lock and process and not process.gone.done():
                process.gone.add_done_callback(lambda _: lock.release())  # it still writes
            elif lock:
                lock.release()

    def _forget(self, node: PlannedNode) -> None:
        """Before a task runs: neither its old outputs nor what was made from them count any more."""
        for name in (node.name, *self.plan.dependents(node.name)):
            if spec := self.plan[name].task:
                self._recorder.keep(f"the stamp of {name}", partial(freshness.drop_stamp, spec))

    def _spawn(self, node: PlannedNode) -> tuple[RunningNode, NodeLog]:
        tells = node.task is not None and node.task.tells
        fd, log = self._recorder.open_log(node.name, TOLD_LINES if tells else LAST_LINES)
        try:
            if earlier := self._logs.get(node.name):
                earlier.close()
            self._logs[node.name] = log
            if isinstance(node.ready, LogProbe):
                log.watch(re.compile(node.ready.pattern))
            process = self._agents[node.host].start(node, fd, partial(self._recorder.unwritten, node.name, log))
        finally:
            os.close(fd)
        self._processes[node.name] = process
        process.running.add_done_callback(
            lambda f: None if f.cancelled() else self._emit(node.name, "started", f"pid {f.result()}", pid=f.result(), **process.facts)
        )
        return process, log

    def _died(self, node: PlannedNode) -> None:
        """A service that was ready has ended, which nobody asked for."""
        if node.name in self._stops:
            return
        ending = self._processes[node.name].ended.result()
        facts = {"exit_code": ending.exit_code, "signal": ending.signal}
        if self._serving and not self.failure.done() and self._count_death(node) <= node.restart.times:
            self._emit(node.name, "exited", str(ending), last_lines=self._logs[node.name].tail(), **facts)
            self._revivals[node.name] = asyncio.create_task(self._revive(node))
        else:
            self._emit(node.name, "exited", str(ending), **facts)
            self._fail(node, f"ended while needed: {ending}{self._after_restarts(node)}")

    def _count_death(self, node: PlannedNode) -> int:
        """Write a death down; how many there were within the policy's window."""
        now = asyncio.get_running_loop().time()
        recent = [t for t in self._deaths.get(node.name, []) if now - t < node.restart.window_s]
        self._deaths[node.name] = [*recent, now]
        return len(recent) + 1

    def _after_restarts(self, node: PlannedNode) -> str:
        restarts = len(self._deaths.get(node.name, [])) - 1
        return f" (after {restarts} restart{'s' * (restarts > 1)} within {node.restart.window_s:g} s)" if restarts > 0 else ""

    async def _revive(self, node: PlannedNode) -> None:
        """Start a service again, on the same ports, once nothing of it is left. Its dependents have gone on without it."""
        while True:
            await asyncio.shield(self._processes[node.name].gone)
            self._emit(node.name, "restarting", f"{len(self._deaths[node.name])} of {node.restart.times}")
            try:
                return await self._run_service(node)
            except (NodeFailed, NotReady, OSError) as e:
                if self._count_death(node) > node.restart.times:
                    return self._fail(node, f"{e}{self._after_restarts(node)}")
                self._emit(node.name, "exited", str(e), last_lines=self._logs[node.name].tail())
                await self._processes[node.name].stop(0)

    def _fail(self, node: PlannedNode, text: str) -> None:
        log = self._logs.get(node.name)
        failure = Failure(node.name, text, log.tail() if log else ())
        self._emit(node.name, "failed", text, last_lines=failure.last_lines)
        if not self.failure.done():
            self.failure.set_result(failure)

    def _stop(self, name: str) -> asyncio.Task[None]:
        """The one task that stops `name`, after all that need it."""
        if name not in self._stops:
            self._stops[name] = asyncio.create_task(self._stop_after_dependents(name))
        return self._stops[name]

    async def _stop_after_dependents(self, name: str) -> None:
        dependents = self.plan.dependents(name)
        # What needs a released service through a task goes on without it.
        await asyncio.gather(*(self._stop(d) for d in dependents if name not in self._released or d in self._released))
        if revival := self._revivals.get(name):
            revival.cancel()
            await asyncio.wait({revival})
        process = self._processes.get(name)
        if process is None or process.gone.done():
            return
        if process.ended.done():  # by itself; its guard clears up
            await process.stop(0)
            return
        drain_s = self.plan[name].stop.drain_s
        self._emit(name, "stopping", f"within {drain_s:g} s")
        clean = await process.stop(drain_s)
        if not clean:
            self.unclean.append(name)
        how = str(process.ended.result()) if process.ended.done() else "hangs in the kernel"
        self._emit(name, "stopped", how if clean else f"did not end within {drain_s:g} s: {how}")

    async def _follow(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                for log in list(self._logs.values()):
                    log.read()
                await asyncio.sleep(_FOLLOW_S)


def _seen(log: NodeLog, pattern: re.Pattern[str]) -> bool:
    log.read()
    return log.seen(pattern)
