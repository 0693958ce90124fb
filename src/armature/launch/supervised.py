"""A run of a plan under the supervision of this process: start, serve, drain, and the signals that end it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from armature.graph.plan import Plan
from armature.launch import tree
from armature.launch.base import Options
from armature.launch.ending import signal_name
from armature.launch.hosts.base import HostAgent
from armature.launch.preflight import check
from armature.launch.recorder import Recorder
from armature.launch.rundir import RunDir
from armature.launch.show import PlainShow, Show, redrawable
from armature.launch.supervise import Supervisor, any_of
from armature.recording import Losses

_SAME_KEY_S = 0.1  # wrappers pass a Ctrl-C on that the terminal has sent us, too


async def run_supervised(plan: Plan, options: Options, agents: Callable[[Plan], Mapping[str, HostAgent]]) -> int:
    """Start everything, serve until a signal (until the plan's last tasks end, where it has any), stop everything.

    agents: makes what starts processes on each host of the plan, by the hosts' names; called when the run's folders exist.
    Returns the exit code: 0 when all went well and the drain was clean, 1 when a node failed, had to be killed
    after its time to drain, or found its result to be no good, 128 + N when signal N came before all was ready, or forced the end.
    Raises UserError before anything starts when it cannot work.
    """
    check(plan)
    run = RunDir.create(plan, options.records)
    losses = Losses()
    plain: Show = PlainShow(plan, options.logs, sys.stdout)
    recorder = Recorder(run, losses.attempt("the live table", lambda: _show(plan, options.logs, options.below), plain), losses)
    with _subreaper(), Interrupts() as interrupts:
        supervisor = Supervisor(plan, agents(plan), recorder)
        try:
            code, why = await _supervise(plan, supervisor, interrupts, recorder)
        finally:
            supervisor.kill()  # nothing is left to kill, unless an error of our own ended the above
            await supervisor.drain()
            await supervisor.close()
            tree.remove_folder(str(plan.tmp_dir))
        recorder.tell_losses()
        recorder.emit(None, "ended", why, exit_code=code)
    recorder.close()
    return code


async def _supervise(plan: Plan, supervisor: Supervisor, interrupts: Interrupts, recorder: Recorder) -> tuple[int, str]:
    """The run's phases: start, serve, drain. Returns the exit code and why it ended."""
    failure, first = supervisor.failure, interrupts.first
    starting = asyncio.create_task(supervisor.start())
    await any_of(starting, failure, first)
    served = starting.done() and not failure.done()
    if served:
        starting.result()
        if all(n.kind == "task" for n in plan.nodes):
            return _verdict(supervisor, "all tasks ended")
        if not plan.until:
            recorder.emit(None, "serving", f"{plan.model} at {plan.url}" if plan.url else "", url=plan.url, model=plan.model)
            await any_of(failure, first)
    starting.cancel()
    await asyncio.wait({starting})
    failed = failure.result() if failure.done() else None
    by_itself = not failed and not first.done()
    force = first if failed or by_itself else interrupts.second  # what is stopping already is forced by one signal
    if by_itself:
        recorder.emit(None, "ending", f"{', '.join(plan.until)} ended: stopping")
    elif not failed:
        recorder.emit(None, "interrupted", f"{signal_name(first.result())}: stopping; a second signal forces it")
    draining = asyncio.create_task(supervisor.drain(plan.dependents(failed.node) if failed else ()))
    await any_of(draining, force)
    forced = not draining.done()
    if forced:
        supervisor.kill()
    await draining
    if failed:
        return 1, f"{failed.node} {failed.text}"
    if forced:
        return 128 + force.result(), f"forced by {signal_name(force.result())}"
    if supervisor.unclean:
        return 1, f"did not drain in time and was killed: {', '.join(supervisor.unclean)}"
    if not served:
        return 128 + first.result(), f"{signal_name(first.result())} before everything was {'done' if plan.until else 'ready'}"
    return _verdict(supervisor, "all tasks ended" if by_itself else signal_name(first.result()))


def _verdict(supervisor: Supervisor, why: str) -> tuple[int, str]:
    """The exit code of a run in which nothing failed: whether what its tasks found is good."""
    if supervisor.bad:
        return 1, f"invalid result: {', '.join(supervisor.bad)}"
    return 0, why


class Interrupts:
    """The first and the second signal that ask the launcher to end."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.first: asyncio.Future[int] = self._loop.create_future()
        self.second: asyncio.Future[int] = self._loop.create_future()
        self._last = (0, 0.0)

    def __enter__(self) -> Interrupts:
        for number in self.SIGNALS:
            self._loop.add_signal_handler(number, self._on_signal, int(number))
        return self

    def __exit__(self, *_: object) -> None:
        for number in self.SIGNALS:
            self._loop.remove_signal_handler(number)

    def _on_signal(self, number: int) -> None:
        now = self._loop.time()
        again = self._last[0] == number and now - self._last[1] < _SAME_KEY_S
        self._last = (number, now)
        if not self.first.done():
            self.first.set_result(number)
        elif not again and not self.second.done():
            self.second.set_result(number)


def _show(plan: Plan, logs: bool, below: Callable[[], Sequence[str]]) -> Show:
    if not redrawable(sys.stdout):
        return PlainShow(plan, logs, sys.stdout)
    from armature.launch.table import TableShow  # rich takes its time to import

    return TableShow(plan, logs, sys.stdout, below)


@contextlib.contextmanager
def _subreaper() -> Iterator[None]:
    """Meanwhile, orphans below this process become its children: it clears up after a guard that was killed."""
    before = tree.is_subreaper()
    tree.prctl(tree.PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        tree.prctl(tree.PR_SET_CHILD_SUBREAPER, int(before))
