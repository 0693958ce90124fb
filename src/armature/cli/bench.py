"""`armature bench [TOPOLOGY] KEY=A,B ...`: a run for each combination of values, and what came out side by side."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armature import env
from armature.cli.options import Parser
from armature.cli.up import launch as launch_plan
from armature.cli.up import make_plan, topology_words
from armature.errors import UserError
from armature.graph.programs import find
from armature.naming import component
from armature.recording import Losses

if TYPE_CHECKING:  # what plans and launches takes its time to import, and a shell that completes words only asks for the options
    from armature.config.launcher import SlurmJobs
    from armature.config.sweep import Point
    from armature.launch.sweep import Journal, Outcome, PointRun

DESCRIPTION = """\
Measure every combination of values: KEY=A,B, KEY=range(1,9) or KEY=choice(A,B), for any field and group.

Each combination is a run under runs/SWEEP/. A run that succeeded before with the same plan, load, versions and code is skipped.
The sweep goes on when a run fails. The same command continues an interrupted sweep; with more values it extends the sweep.
hydra/launcher=submitit_slurm makes each run a Slurm job.
"""
EXAMPLES = """\
examples:
  armature bench agg,disagg +model=tiny-qwen3 load.concurrency=1,4,16
  armature bench +model=tiny-qwen3 load=poisson load.rate=range(2,10,2) --repeats 3
  armature bench external url=http://127.0.0.1:8000 load.concurrency=1,8
  armature bench agg,disagg +model=tiny-qwen3 hydra/launcher=submitit_slurm hydra.launcher.partition=gpu
"""
# What a sweep does without being told: puts load on, and takes any port, as it never shares one with what serves beside it.
DEFAULTS = ("load=closed", "frontend.port=0")
RUN_DIR = "run.dir"  # a sweep is called the same wherever it lies


def parser() -> Parser:
    p = Parser(prog="armature bench", description=DESCRIPTION, epilog=EXAMPLES)
    p.add_argument("words", nargs="*", metavar="TOPOLOGY | KEY=VALUES", help="topologies, and overrides with one value or several")
    p.add_argument("--repeats", type=int, default=1, metavar="N", help="runs per combination, each with its own seed (default: 1)")
    p.add_argument("--name", metavar="NAME", help="the sweep's folder under runs/ (default: the same name for any list of values)")
    p.add_argument("--force", action="store_true", help="run everything again, even if up to date")
    p.add_argument("--dry-run", action="store_true", help="print which runs would start and which would be skipped")
    p.add_argument("--logs", action="store_true", help="show the nodes' output, merged and prefixed with their names")
    return p


@dataclass(frozen=True)
class _Planned:
    """A run that the sweep asks for. words: its overrides. gpus: how many its plan uses."""

    run: PointRun
    words: tuple[str, ...]
    gpus: int


def main(argv: list[str]) -> int:
    p = parser()
    options, unknown = p.parse_known_intermixed_args(argv)
    p.refuse_options(unknown)
    if options.repeats < 1:
        raise UserError(f"--repeats {options.repeats}: expected at least 1")

    from armature.config import launcher
    from armature.config.overrides import key_of
    from armature.config.sweep import expand, family
    from armature.launch.sweep import Journal

    given, jobs = launcher.read(options.words)
    words = with_defaults(topology_words(given))
    points = expand(words)
    digest = family([word for word in words if key_of(word) != RUN_DIR])
    sweep = _runs_dir(points[0]) / component(options.name or f"sweep-{digest}")
    planned = _planned(points, sweep, options.repeats)
    if options.dry_run:
        for number, each in enumerate(planned, 1):
            verdict = each.run.verdict()
            print(f"[{number}/{len(planned)}] {each.run.name}: {'will run' if verdict.run else 'skipped'}: {verdict.reason}")
        return 0
    print(f"sweep {sweep}: {len(planned)} run{'s' * (len(planned) > 1)}", flush=True)
    with Journal(sweep) as journal:
        if jobs is None:
            outcomes = _one_by_one(planned, journal, options.force, options.logs)
        else:
            outcomes = _spread(planned, journal, sweep, jobs, options.force)
        _show(outcomes, sweep)
    return 1 if any(o.state in ("failed", "not run") for o in outcomes) else 0


def _one_by_one(planned: Sequence[_Planned], journal: Journal, force: bool, logs: bool) -> list[Outcome]:
    from armature.launch.sweep import run_all

    by_run = {each.run.name: each for each in planned}
    return run_all([each.run for each in planned], journal, lambda run: launch(by_run[run.name], logs), _say, force)


def _spread(planned: Sequence[_Planned], journal: Journal, sweep: Path, jobs: SlurmJobs, force: bool) -> list[Outcome]:
    from armature.launch.slurm_jobs import Slurm, Task
    from armature.launch.spread import Spread, left_behind

    cluster = Slurm(jobs, sweep, {each.run.name: Task(partial(launch_and_note, each), each.gpus) for each in planned})
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: jobs are cancelled
    return Spread([each.run for each in planned], journal, cluster, _say, force).run(left_behind(sweep))


def _say(text: str) -> None:
    print(text, flush=True)


def with_defaults(words: Sequence[str]) -> list[str]:
    """`words`, and the defaults of a sweep for what they leave open."""
    from armature.config.overrides import key_of

    keys = set(map(key_of, words))
    return [*words, *(d for d in DEFAULTS if d.partition("=")[0] not in keys)]


def _runs_dir(point: Point) -> Path:
    """The folder of runs, as a point's configuration has it."""
    from armature.config.compose import compose

    return env.runs_dir(compose(point.words).deployment.run.dir)


def _planned(points: Sequence[Point], sweep: Path, repeats: int) -> list[_Planned]:
    """The runs, all composed: what is wrong with any of them shows before the first starts. Those with the same values are one."""
    from armature.config.sweep import identity
    from armature.launch.facts import versions
    from armature.launch.sweep import PointRun

    around = {"versions": versions(), "load_generator": _load_generator()}
    found: list[_Planned] = []
    first: dict[str, str] = {}  # identity -> the run that has it
    for point in points:
        plan, composed = make_plan(point.words)
        deployment = composed.deployment
        if (runs := env.runs_dir(deployment.run.dir)) != sweep.parent:
            raise UserError(f"{RUN_DIR}: got {sweep.parent} and {runs}", expected="one folder for all runs of a sweep")
        if not deployment.load or deployment.load.keep:
            why = "load.keep=true" if deployment.load else "load=none"
            raise UserError(f"{point.name}: with {why} this run never ends", fix="add load=closed load.keep=false")
        for seed in range(deployment.load.seed, deployment.load.seed + repeats):
            name = f"{point.name}/seed-{seed}"
            load = deployment.load.model_copy(update={"seed": seed})
            if (same := first.setdefault(identity(deployment.model_copy(update={"load": load})), name)) != name:
                _say(f"{name}: same values as {same}, measured once")
                continue
            made_by = {"plan": plan.hash, "load": load.model_dump(mode="json"), "profile": deployment.profile.model_dump(), **around}
            run = PointRun(name, sweep / point.name / f"seed-{seed}", made_by)
            found.append(_Planned(run, (*point.words, *([] if seed == deployment.load.seed else [f"load.seed={seed}"])), plan.gpus))
    return found


def _load_generator() -> str:
    """A digest of the load generator's code."""
    digest = hashlib.sha256()
    folder = Path(find("locustfile")).parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def launch(planned: _Planned, logs: bool = False) -> int:
    """Plan again (other ports may be free by now, and this may be another host) and run."""
    plan, composed = make_plan(planned.words, planned.run.folder)
    return launch_plan(plan, composed, logs, words=json.dumps(list(planned.words)))


def launch_and_note(planned: _Planned) -> int:
    """Run, and note what made the results when they are good: by the code that was at work, however long the sweep waits."""
    code = launch(planned)
    if code == 0:
        Losses().keep(f"the end of {planned.run.name}", planned.run.done)
    return code


def _show(outcomes: Sequence[Outcome], sweep: Path) -> None:
    """What became of each run, the comparison of those that may be used, and the report."""
    from armature.bench.compare.comparison import compare
    from armature.bench.compare.groups import Measured
    from armature.bench.compare.render import FORMATS
    from armature.bench.report.page import page
    from armature.bench.runs import Run, below
    from armature.bench.summarize import load_summary

    width = max(len(o.run.name) for o in outcomes)
    print()
    for o in outcomes:
        print(f"  {o.run.name:{width}}  {o.state:8}" + (f"  {o.seconds:.0f} s" if o.seconds else "") + (f"  {o.text}" if o.text else ""))
    measured: list[Any] = []
    for o in outcomes:
        run = Run(o.run.folder)
        if (run.results / "summary.json").exists():
            measured.append(Measured(run, load_summary(run)))
    if not measured:
        return
    print()
    if any(not m.summary.failures for m in measured):
        print(FORMATS["table"](compare(measured)), end="")
    out = sweep / "report.html"
    out.write_text(page(measured, out))
    print(f"report {out}")
    if more := {run.path for run in below(sweep) if run.has_load} - {o.run.folder for o in outcomes}:
        print(f"{len(more)} more run{'s' * (len(more) > 1)} of this sweep, with other values: armature report {sweep}")
