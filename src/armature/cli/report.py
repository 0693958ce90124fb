"""`armature report RUN ...`: runs as one HTML page."""

from __future__ import annotations

from pathlib import Path

from armature import env
from armature.cli.options import Parser

DESCRIPTION = """\
Write one HTML page about runs: tables, latency distributions, the load over time, comparisons, trade-offs, server metrics,
the graph, traces. The page needs no network and no other file.

RUN is a run's directory, a folder of runs (a sweep), <name>/<id> under runs/, or the beginning of an id.
"""


def parser() -> Parser:
    p = Parser(prog="armature report", description=DESCRIPTION)
    p.add_argument("runs", nargs="+", metavar="RUN | DIR", help="the runs")
    p.add_argument("--out", type=Path, metavar="FILE", help="output file (default: RUN/report.html; for several runs: ./report.html)")
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)

    from armature.bench.compare.groups import Measured
    from armature.bench.report.page import page
    from armature.bench.runs import find
    from armature.bench.summarize import load_summary

    measured = [Measured(run, load_summary(run)) for run in find(a.runs)]
    alone = measured[0].run.path if len(measured) == 1 else env.caller_dir()
    out = env.caller_dir() / a.out if a.out else alone / "report.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(measured, out))
    print(f"wrote {out}")
    return 0
