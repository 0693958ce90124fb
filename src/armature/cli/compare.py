"""`armature compare RUN ...`: runs side by side."""

from __future__ import annotations

from armature.cli.options import Parser
from armature.errors import UserError

DESCRIPTION = """\
Put runs side by side. Runs of the same plan hash and the same load, the seed apart, on the same hardware and versions
are repeats of one configuration; the first configuration that is named is the baseline.

RUN is a run's directory, a folder of runs, <name>/<id> under runs/, or the beginning of an id. Differences have 95% confidence
intervals from at least 3 repeats (Welch's t over the runs' own figures); with fewer nothing is claimed. docs/how-to/compare.md says more.
"""


def parser() -> Parser:
    p = Parser(prog="armature compare", description=DESCRIPTION)
    p.add_argument("runs", nargs="+", metavar="RUN", help="what to compare")
    p.add_argument("--format", default="table", choices=["table", "markdown", "csv", "json"], help="how to print it (default: %(default)s)")
    p.add_argument("--class", dest="of_class", metavar="NAME", help="only requests of this class of the workload (default: all)")
    p.add_argument("--with-failed", action="store_true", help="also runs that must not be used: failures in their summaries")
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
        raise UserError(f"no run has requests of class {a.of_class!r}", where="--class", expected=" or ".join(classes))
    if not a.with_failed and all(m.summary.failures for m in measured):
        reasons = "; ".join(f"{m.run.label}: {m.summary.failures[0].text}" for m in measured)
        raise UserError(f"none of the runs may be used: {reasons}", fix="run them again; --with-failed shows them nevertheless")
    print(FORMATS[a.format](compare(measured, a.of_class, a.with_failed)), end="")
    return 0
