"""Running the points of a sweep one after the other: those that are done already are left alone, and one that fails loses no other.

In the sweep's folder: sweep.jsonl, to which a line is appended as each attempt begins and ends, and POINT/seed-N/, the runs. What
made a run's results is kept in its folder by `freshness`, when the run has ended well.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from armature.errors import UserError
from armature.graph.node import TaskSpec
from armature.graph.plan import PlannedNode
from armature.launch import freshness
from armature.launch.rundir import read_events
from armature.recording import LineFile, Losses

FILE = "sweep.jsonl"
FORCED = 128  # exit codes from here on: a signal ended the run, and with it the sweep


@dataclass(frozen=True)
class PointRun:
    """One run of the sweep. name: POINT/seed-N. made_by: what its results depend on, besides the code."""

    name: str
    folder: Path
    made_by: dict[str, Any]

    def verdict(self) -> freshness.Verdict:
        """Whether it must run, and why."""
        if not (self.folder / "plan.json").exists():
            return freshness.Verdict(True, "no result yet")
        if not (self.folder / "report.html").exists():
            return freshness.Verdict(True, "the last attempt did not finish")
        return freshness.why(PlannedNode(name=self.name, kind="task", argv=(), task=self._spec))

    def done(self) -> None:
        """Note that its results are good. Raises OSError; the run is measured again then."""
        freshness.write_stamp(self._spec)

    def clear(self) -> None:
        """Take away what an earlier attempt left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _spec(self) -> TaskSpec:
        outputs = tuple(str(self.folder / f) for f in ("plan.json", "results/summary.json", "report.html"))
        return TaskSpec(outputs=outputs, params=self.made_by, code=("armature",))


@dataclass(frozen=True)
class Outcome:
    """What became of a run. state: done, skipped, failed, not run. text: why."""

    run: PointRun
    state: str
    text: str
    seconds: float = 0.0


class Journal:
    """sweep.jsonl: appended to, and locked while a sweep runs. What cannot be noted there is lost, and stops no run."""

    def __init__(self, folder: Path, losses: Losses | None = None) -> None:
        """Raises UserError when another sweep has the folder, or when it cannot be made."""
        self.losses = losses or Losses()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as e:
            raise UserError(
                f"the sweep's folder cannot be written: {folder}: {e.strerror}; nothing was started",
                fix="free some space, or name another folder for runs: run.dir=DIR",
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise UserError(f"another sweep runs in {folder}", fix="wait for it, or give this one another --name") from None
        self._lines = LineFile(fd)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.losses.keep(FILE, self._lines.close)
        self.losses.tell()

    def write(self, run: PointRun, event: str, **facts: Any) -> None:
        """Note what happens to a run."""
        line = json.dumps({"t": round(time.time(), 3), "run": run.name, "event": event, **facts})
        self.losses.keep(FILE, lambda: self._lines.add(line.encode()))


def run_all(
    runs: Sequence[PointRun], journal: Journal, launch: Callable[[PointRun], int], say: Callable[[str], object], force: bool = False
) -> list[Outcome]:
    """Run what must run. launch: runs one, and returns its exit code or raises UserError. force: run all.

    Ends early when a signal ended a run.
    """
    outcomes: list[Outcome] = []
    say = journal.losses.saying(say)
    for number, run in enumerate(runs, 1):
        at = f"[{number}/{len(runs)}] {run.name}"
        verdict = run.verdict()
        if not verdict.run and not force:
            say(f"{at}: skipped: {verdict.reason}")
            journal.write(run, "skipped", reason=verdict.reason)
            outcomes.append(Outcome(run, "skipped", verdict.reason))
            continue
        say(f"{at}: running: {'--force' if not verdict.run else verdict.reason}{_left(outcomes, len(runs) - number + 1)}")
        run.clear()
        journal.write(run, "started", reason=verdict.reason)
        begun = time.monotonic()
        code, text = _launched(run, launch)
        seconds = time.monotonic() - begun
        journal.write(run, "ended", exit_code=code, seconds=round(seconds, 1), text=text)
        if code == 0:
            journal.losses.keep(f"the end of {run.name}", run.done)
        outcomes.append(Outcome(run, "failed" if code else "done", text, seconds))
        if code >= FORCED:
            outcomes += [Outcome(left, "not run", "a signal ended the sweep") for left in runs[number:]]
            break
    return outcomes


def _launched(run: PointRun, launch: Callable[[PointRun], int]) -> tuple[int, str]:
    try:
        code = launch(run)
    except UserError as e:
        return e.exit_code, e.render()
    return code, "" if code == 0 else f"exit code {code}: {last_word(run.folder)}"


def last_word(folder: Path) -> str:
    """Why a run ended, as its events say."""
    try:
        return read_events((folder / "events.jsonl").read_bytes().splitlines())[-1].detail
    except (OSError, IndexError):
        return "no reason recorded"


def _left(outcomes: Sequence[Outcome], left: int) -> str:
    """What is still to do, and for how long, going by the runs so far."""
    took = [o.seconds for o in outcomes if o.seconds]
    runs = f"; {left} run{'s' * (left > 1)} left"
    return runs + (f", about {statistics.mean(took) * left / 60:.1f} min" if took else "")
