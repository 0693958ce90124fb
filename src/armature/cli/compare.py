"""`armature compare RUN ...`: runs side by side."""

from __future__ import annotations

from armature.cli.options import Parser
from armature.errors import UserError, did_you_mean, nearest

CAUSES = ("load", "hardware", "versions", "lengths")  # as in armature.bench.compare.likeness, which takes its time to import

DESCRIPTION = """\
Compare runs. Runs with the same plan hash, load (except the seed), hardware and versions are repeats of one configuration.
Configurations are ranked only if their load, hardware, versions and realised lengths match; the first of them is the baseline.
A figure marked * has a caveat and is not ranked; the reason is printed below.

RUN is a run's directory, a folder of runs, <name>/<id> under runs/, or the beginning of an id. Differences have 95% confidence
intervals from at least 3 repeats (Welch's t over the runs' figures); with fewer, no claim. See docs/how-to/compare.md.
"""


def parser() -> Parser:
    p = Parser(prog="armature compare", description=DESCRIPTION)
    p.add_argument("runs", nargs="+", metavar="RUN", help="the runs")
    p.add_argument("--format", default="table", choices=["table", "markdown", "csv", "json"], help="output format (default: %(default)s)")
    p.add_argument("--class", dest="of_class", metavar="NAME", help="only requests of this class of the workload (default: all)")
    p.add_argument("--with-failed", action="store_true", help="include invalid runs: those with failures in their summaries")
    p.add_argument(
        "--across",
        action="append",
        default=[],
        choices=CAUSES,
        metavar="WHAT",
        help="rank configurations that differ in WHAT (load, hardware, versions, lengths), if you compare that; may be repeated",
    )
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)

    from armature.bench.compare.comparison import compare
    from armature.bench.compare.groups import Measured
    from armature.bench.compare.render import FORMATS
    from armature.bench.runs import find
    from armature.bench.summarize import load_summary

    measured = [Measured(run, load_summary(run)) for run in find(a.runs)]
    classes = sorted({c for m in measured for c in m.summary.classes})
    if a.of_class is not None and a.of_class not in classes:
        guess = nearest(a.of_class, classes)
        raise UserError(
            f"no run has requests of class {a.of_class!r}",
            where="--class",
            expected=f"one of {', '.join(classes)}" if classes else None,
            fix=did_you_mean(guess and f"--class {guess}"),
        )
    if not a.with_failed and all(m.summary.failures for m in measured):
        reasons = "; ".join(f"{m.run.label}: {m.summary.failures[0].text}" for m in measured)
        raise UserError(f"all runs are invalid: {reasons}", fix="run them again, or add --with-failed")
    print(FORMATS[a.format](compare(measured, a.of_class, a.with_failed, a.across)), end="")
    return 0
