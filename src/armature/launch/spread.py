"""Running the points of a sweep as jobs of a cluster: all that must run are queued at once, and this process waits for them.

A job outlives the process that submitted it, so the sweep's journal keeps its id: the same command, given again after that process
was killed, waits for what still runs instead of measuring it twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from armature.launch.sweep import FILE, Journal, Outcome, PointRun, last_word

POLL_S = 1.0


@dataclass(frozen=True)
class Ended:
    """How a job ended. text: what is wrong, '' when nothing is."""

    code: int
    text: str = ""


class Cluster(Protocol):
    """Where jobs run. An id names a job, also to another process later."""

    def submit(self, runs: Sequence[PointRun]) -> list[str]:
        """Queue a job for each run; their ids. Raises UserError when the cluster refuses them."""
        ...

    def states(self) -> Mapping[str, str]:
        """The jobs that are queued or run, each with the cluster's word for its state. Raises OSError when it cannot be asked now."""
        ...

    def ended(self, job: str, gone: bool) -> Ended | None:
        """What became of a job; None while that is not known. gone: the cluster no longer has it."""
        ...

    def cancel(self, jobs: Sequence[str]) -> None:
        """Take jobs from the queue, or end them."""
        ...


@dataclass
class _Waiting:
    """A run whose job has not ended. adopted: an earlier process submitted it."""

    run: PointRun
    job: str
    adopted: bool = False
    state: str = ""
    begun: float = field(default_factory=time.monotonic)


class Spread:
    """One sweep's jobs."""

    def __init__(
        self, runs: Sequence[PointRun], journal: Journal, cluster: Cluster, say: Callable[[str], object], force: bool = False
    ) -> None:
        self._runs, self._journal, self._cluster, self._force = runs, journal, cluster, force
        self._at = {run.name: f"[{number}/{len(runs)}] {run.name}" for number, run in enumerate(runs, 1)}
        self._say = journal.losses.saying(say)
        self._waiting: list[_Waiting] = []
        self._outcomes: dict[str, Outcome] = {}

    def run(self, left_behind: Mapping[str, str], pause: Callable[[float], object] = time.sleep) -> list[Outcome]:
        """Submit what must run and wait for all. left_behind: run -> job of an earlier process, as `left_behind()` finds it.

        When it is interrupted (KeyboardInterrupt), the jobs are cancelled, and their runs are "not run".
        """
        try:
            self._begin(left_behind)
            while self._waiting:
                pause(POLL_S)
                self._look()
        except KeyboardInterrupt:
            self._give_up()
        return [self._outcomes[run.name] for run in self._runs]

    def _begin(self, left_behind: Mapping[str, str]) -> None:
        due: list[tuple[PointRun, str]] = []
        for run in self._runs:
            job = left_behind.get(run.name)
            if job is not None and not self._force:
                self._say(f"{self._at[run.name]}: waiting for job {job}, which an earlier call submitted")
                self._waiting.append(_Waiting(run, job, adopted=True))
                continue
            if job is not None:
                self._cluster.cancel([job])
            due += self._due(run)
        self._submit(due)

    def _due(self, run: PointRun) -> list[tuple[PointRun, str]]:
        """The run with its reason, if it must run; else it is skipped."""
        verdict = run.verdict()
        if verdict.run or self._force:
            return [(run, verdict.reason if verdict.run else "--force")]
        self._say(f"{self._at[run.name]}: skipped: {verdict.reason}")
        self._journal.write(run, "skipped", reason=verdict.reason)
        self._outcomes[run.name] = Outcome(run, "skipped", verdict.reason)
        return []

    def _submit(self, due: Sequence[tuple[PointRun, str]]) -> None:
        if not due:
            return
        for run, _ in due:
            run.clear()
        for (run, reason), job in zip(due, self._cluster.submit([run for run, _ in due]), strict=True):
            self._journal.write(run, "submitted", reason=reason, job=job)
            self._say(f"{self._at[run.name]}: job {job}: {reason}")
            self._waiting.append(_Waiting(run, job))

    def _look(self) -> None:
        try:
            states: Mapping[str, str] | None = self._cluster.states()
        except OSError:  # a controller that restarts: jobs go on meanwhile
            states = None
        for each in list(self._waiting):
            ended = self._cluster.ended(each.job, gone=states is not None and each.job not in states)
            if ended is not None:
                self._waiting.remove(each)
                self._ended(each, ended)
            elif states and (state := states.get(each.job, each.state)) != each.state:
                each.state = state
                self._say(f"{self._at[each.run.name]}: job {each.job}: {state.lower()}")

    def _ended(self, each: _Waiting, ended: Ended) -> None:
        seconds = time.monotonic() - each.begun
        self._journal.write(each.run, "ended", exit_code=ended.code, seconds=round(seconds, 1), text=ended.text, job=each.job)
        if each.adopted:
            # Submitted by another call, perhaps for other settings: what it left is judged like any results.
            self._say(f"{self._at[each.run.name]}: job {each.job} ended" + (f": {ended.text}" if ended.text else ""))
            self._submit(self._due(each.run))
            return
        text = ended.text or (f"exit code {ended.code}: {last_word(each.run.folder)}" if ended.code else "")
        self._outcomes[each.run.name] = Outcome(each.run, "failed" if ended.code else "done", text, seconds)
        self._say(f"{self._at[each.run.name]}: {'failed: ' + text if ended.code else 'done'}; {len(self._waiting)} left")

    def _give_up(self) -> None:
        jobs = [each.job for each in self._waiting]
        self._say(f"interrupted: cancelling {len(jobs)} job{'s' * (len(jobs) != 1)}")
        if jobs:
            self._cluster.cancel(jobs)
        for each in self._waiting:
            self._journal.write(each.run, "ended", exit_code=130, text="cancelled", job=each.job)
        for run in self._runs:
            self._outcomes.setdefault(run.name, Outcome(run, "not run", "the sweep was interrupted"))


def left_behind(sweep: Path) -> dict[str, str]:
    """Run -> job, of the runs whose last job never ended as far as the sweep's journal knows."""
    found: dict[str, str] = {}
    file = sweep / FILE
    for line in file.read_bytes().splitlines() if file.exists() else []:
        try:
            event = json.loads(line)
            run, what, job = event["run"], event["event"], event.get("job")
        except (ValueError, KeyError, TypeError, AttributeError):  # a line that broke off: the machine went down, or its disk was full
            continue
        if what == "submitted" and job:
            found[run] = job
        else:
            found.pop(run, None)
    return found
