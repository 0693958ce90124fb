"""The page: what each run has to say, and the template that says it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from armature.bench import parquet
from armature.bench.compare import render
from armature.bench.compare.comparison import Comparison, compare
from armature.bench.compare.groups import Measured, Repeats, flatten, group, lasting, shown_value, usable
from armature.bench.compare.settings import brought, by_value
from armature.bench.metrics import FIGURES, METRICS, number
from armature.bench.read import read_load
from armature.bench.records import Request, Sample
from armature.bench.report.curves import Places, places
from armature.bench.report.distributions import Line, distributions
from armature.bench.report.figures import Drawing, Entry, colour, lines_of
from armature.bench.report.profiles import flames, tops, traces
from armature.bench.report.servers import sampled
from armature.bench.report.timeline import load_over_time
from armature.bench.report.trade_offs import trade_offs as trade_offs_of
from armature.bench.runs import Run
from armature.bench.server import Key, interest, series
from armature.bench.summary import Summary
from armature.bench.text import latencies, shown
from armature.errors import UserError
from armature.graph.draw import draw
from armature.naming import component

ALL = "all requests"  # beside the classes of the workload
OPEN_RUNS = 2  # how many runs' details are unfolded
MOST_REASONS = 6  # more are folded
MOST_SERVER_PLOTS = 16
_TABLE = (
    *("requests_per_s", "output_tokens_per_s", "output_tokens_per_s_per_gpu", "output_tokens_per_s_per_user"),
    *("ttft_p50_ms", "ttft_p99_ms", "itl_p50_ms", "itl_p99_ms", "tpot_p50_ms", "e2e_p99_ms", "goodput_fraction"),
)


@dataclass(frozen=True)
class Plot:
    """A place on the page where a figure is drawn. name: of the figure. height: in pixels."""

    name: str
    height: int
    title: str
    legend: tuple[Entry, ...]


@dataclass(frozen=True)
class Panel:
    """Plots that share a legend."""

    plots: tuple[Plot, ...]
    legend: tuple[Entry, ...] = ()


class Figures:
    """The page's plots, by the names of the places where they are drawn."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, Any]] = {}

    def add(self, drawings: Iterable[Drawing], legend: Sequence[Entry] = ()) -> Panel:
        """Keep drawings, and give the places that they have on the page."""
        return Panel(tuple(map(self._add, drawings)), tuple(legend))

    def _add(self, drawing: Drawing) -> Plot:
        name = f"f{len(self._made)}"
        self._made[name] = json.loads(drawing.figure.to_json())
        return Plot(name, self._made[name]["layout"]["height"], drawing.title, drawing.legend)

    def as_json(self) -> str:
        """For a script element: nothing in it ends one."""
        text = json.dumps(self._made, separators=(",", ":"))
        return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def page(measured: Sequence[Measured], out: Path) -> str:
    """The HTML of a report on these runs. out: where it will lie, for links to traces."""
    figures = Figures()
    groups = group(measured)
    letters = {m.run: g.letter for g in groups for m in g.runs}
    requests = {m.run: run_requests(m.run) for m in measured}
    good = usable(groups)
    standing = places(groups)
    names = {letter: f"{letter} {place.name}" for letter, place in standing.of.items()}
    comparison = compare(measured) if good and len(measured) > 1 else None
    several = len(good) > 1
    trade_offs = trade_offs_of(good, standing) if several else None
    runs = [_run(m, letters[m.run], standing, requests[m.run], figures, out) for m in measured]
    columns = [m for m in METRICS if m.name in _TABLE and any(m.get(x.summary.overall) is not None for x in measured)]
    for r in runs:
        r["figures"] = [shown(r["summary"].overall, m.name) for m in columns]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_own("page.html"))
    return template.render(
        title=_title(standing),
        subtitle=_subtitle(measured, standing),
        runs=runs,
        open_runs=OPEN_RUNS,
        most_reasons=MOST_REASONS,
        metrics=columns,
        columns=FIGURES,
        comparison=comparison,
        comparison_rows=render.rows(comparison) if comparison else [],
        sweep=render.sweep_table(comparison, names) if comparison and render.is_sweep(comparison) else None,
        legend=render.legend(comparison) if comparison else "",
        reasons=render.reasons(comparison) if comparison else [],
        settings=_settings(comparison) if comparison else None,
        winner_title=render.winner_title,
        trade_offs=figures.add(trade_offs.drawings, trade_offs.legend) if trade_offs else None,
        level=trade_offs.level if trade_offs else "",
        distributions=_panel(_lines(good, standing, requests), figures) if several else None,
        figures_json=figures.as_json(),
        plotly_js=get_plotlyjs(),
        css=_own("page.css"),
        js=_own("page.js"),
        names=names,
        mean_text=render.mean_text,
        difference_text=render.difference_text,
        value_text=shown_value,
        number=number,
    )


def _own(file: str) -> str:
    return (Path(__file__).parent / file).read_text()


def _settings(comparison: Comparison) -> dict[str, list[tuple[str, list[tuple[list[str], Any]]]]]:
    """What was set differently: each field's values, each with its configurations' letters. chosen: by somebody; brought: by a topology."""
    letters = [c.letter for c in comparison.columns]
    behind = brought(comparison.config)
    rows = {name: (name, by_value(letters, values)) for name, values in comparison.config.items()}
    return {"chosen": [row for name, row in rows.items() if name not in behind], "brought": [rows[name] for name in behind]}


def _lines(groups: Sequence[Repeats], standing: Places, requests: Mapping[Run, Sequence[Request]]) -> list[Line]:
    """A line for each configuration: its colour is its curve's, its dash its load's."""
    lines = []
    for g in groups:
        place = standing.of[g.letter]
        its = [r for m in g.runs for r in _measured(requests[m.run])]
        lines.append(Line(f"{g.letter} {place.name}", its, place.colour, place.dash))
    return lines


def _panel(lines: Sequence[Line], figures: Figures) -> Panel:
    """The distributions, with a legend where there is more than one line."""
    drawings = distributions(lines)
    return figures.add(drawings, lines_of([d.figure for d in drawings]) if len(lines) > 1 else ())


def run_requests(run: Run) -> list[Request]:
    """A run's requests of all phases: from its table, else from the load generator's files."""
    table = run.results / parquet.FILE
    return parquet.read(table) if table.exists() else list(read_load(run.load).requests)


def _measured(requests: Sequence[Request]) -> list[Request]:
    return [r for r in requests if r.phase == "measure"]


def _title(standing: Places) -> str:
    return f"Load test of {', '.join(dict.fromkeys(p.curve for p in standing.of.values()))}"


def _subtitle(measured: Sequence[Measured], standing: Places) -> str:
    models = sorted({m.summary.model for m in measured if m.summary.model})
    gpus = sorted({", ".join(g) or "CPU" for m in measured if (g := m.summary.hardware.get("gpus")) is not None})
    levels = dict.fromkeys(p.level for p in sorted(standing.of.values(), key=lambda p: p.step))
    load = [f"{standing.level} {', '.join(levels)}"] if standing.level else []
    return " · ".join([f"{len(measured)} run{'s' if len(measured) > 1 else ''}", *models, *load, *gpus])


def _run(m: Measured, letter: str, standing: Places, requests: Sequence[Request], figures: Figures, out: Path) -> dict[str, Any]:
    """What the template shows of one run."""
    s = m.summary
    zero = s.window.started if s.window.started is not None else min((r.started for r in requests), default=0.0)
    counts = s.overall.counts
    of_all = _measured(requests)
    classes = {c: [r for r in of_all if r.cls == c] for c in s.classes} if len(s.classes) > 1 else {}
    server, note = _server(m.run, zero, figures)
    svg, text = graph(m.run)
    return {
        "label": m.run.label,
        "anchor": component(m.run.label),
        "letter": letter,
        "name": standing.of[letter].name,
        "id": m.run.path.name,
        "summary": s,
        "requests": f"{counts.ok} ok, {counts.failed} failed",
        "latencies": {ALL: latencies(s.overall)} | ({c: latencies(g) for c, g in s.classes.items()} if classes else {}),
        "distributions": _panel([Line(name, its, colour(i)) for i, (name, its) in enumerate({ALL: of_all, **classes}.items())], figures),
        "timeline": figures.add([load_over_time(requests, zero)]) if requests else None,
        "lengths": [("input", s.overall.lengths.input), ("output", s.overall.lengths.output)],
        "chunks": _chunks(s),
        "facts": _facts(s),
        "server": server,
        "server_note": note,
        "graph_svg": svg,
        "graph_text": text,
        "traces": traces(m.run, out),
        "tops": tops(m.run),
        "flames": flames(m.run),
    }


def _chunks(s: Summary) -> str:
    chunks = s.overall.chunks
    if not chunks.per_request:
        return "Nothing was streamed."
    text = f"{number(chunks.per_request.mean)} chunks with tokens a request on average"
    text += f", {number(chunks.tokens_per_chunk.mean)} tokens per chunk" if chunks.tokens_per_chunk else ""
    return text + (f"; {chunks.at_once:.1%} of chunks arrived together with the previous one." if chunks.at_once is not None else ".")


def _facts(s: Summary) -> list[tuple[str, str]]:
    c = s.client
    figures = [
        f"{c.processes} process{'' if c.processes == 1 else 'es'}",
        f"lag p99 {number(c.lag_p99_ms)} ms",
        f"CPU at most {number(c.cpu_max)} of a core",
        f"{c.late} late",
        f"{c.dropped} dropped",
    ]
    health = f"{'kept up' if c.valid else '; '.join(c.reasons)} ({', '.join(figures)})"
    slo = s.slo.model_dump(exclude_none=True) if s.slo else {}
    good = s.overall.goodput
    return [
        ("window", f"{_clock(s.window.started)}{number(s.window.seconds)} s, ended by {s.window.end_reason or 'being killed'}"),
        ("goodput", f"{good.fraction:.1%} within {_pairs(slo)}" if good else "no SLO set"),
        ("load generator", health),
        ("load", _pairs(lasting(s.settings))),
        ("seed", str(s.seed)),
        ("plan hash", s.plan_hash or "unknown"),
        ("hardware", _pairs(s.hardware) or "unknown"),
        ("versions", _pairs(s.versions) or "unknown"),
    ]


def _clock(moment: float | None) -> str:
    return f"from {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC, " if moment is not None else ""


def _pairs(values: dict[str, Any]) -> str:
    """Names and values in a line; what is not set is left out."""
    return ", ".join(f"{k} {shown_value(v)}" for k, v in flatten(values).items() if v not in (None, [], {}))


def _server(run: Run, zero: float, figures: Figures) -> tuple[Panel | None, str]:
    """Plots of the servers' samples, of those that changed, the ones that are asked for first; and how many were left out."""
    samples: Sequence[Sample] = read_load(run.load).samples if run.load.is_dir() else ()
    by_name: dict[str, dict[Key, list[Sample]]] = {}
    for key, found in series(samples).items():
        by_name.setdefault(key[1], {})[key] = found
    moving = [name for name, found in by_name.items() if any(len({s.value for s in its}) > 1 for its in found.values())]
    shown = sorted(moving, key=interest)[:MOST_SERVER_PLOTS]
    made = figures.add(sampled(name, by_name[name], zero) for name in shown) if shown else None
    note = f"Not drawn: {len(by_name) - len(moving)} constant series, {len(moving) - len(shown)} others. All are in summary.json."
    return made, note if len(shown) < len(by_name) else ""


def graph(run: Run) -> tuple[str | None, str | None]:
    """The plan's drawing as SVG where Graphviz is there, else its Mermaid source; neither without a plan."""
    if run.plan is None:
        return None, None
    try:
        svg = draw(run.plan, "svg")
    except UserError:
        return None, draw(run.plan, "mermaid")
    return svg[svg.index("<svg") :], None
