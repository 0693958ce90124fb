"""A comparison as a table for terminals, as Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

from armature.bench.compare.comparison import Cell, Column, Comparison, Row, Winner
from armature.bench.compare.groups import shown_value
from armature.bench.compare.settings import brought, by_value, short
from armature.bench.metrics import SHOWN, number
from armature.bench.trust import MARK, marked

MOST_COLUMNS = 4
MOST_FIELDS = 4
_LEGEND = "mean ± half of its 95% interval; then the difference to {baseline} with its 95% interval, and the verdict"
_SWEEP_LEGEND = "mean ± half of its 95% interval; against {baseline}: + better, - worse, = no difference shown, no sign: no claim"
_OWN_BASELINE = "the first configuration under the same load, hardware and versions"
_MARKS = {"better": "+", "worse": "-", "no difference shown": "="}
_SWEEP = (
    *("output_tokens_per_s", "output_tokens_per_s_per_gpu", "output_tokens_per_s_per_user", "goodput_fraction"),
    *("ttft_p50_ms", "ttft_p99_ms", "itl_p99_ms", "tpot_p50_ms", "e2e_p99_ms"),
)


def head(column: Column) -> str:
    """A column's title."""
    return f"{column.letter} {column.name} ({len(column.runs)} run{'s' if len(column.runs) > 1 else ''})"


def rows(comparison: Comparison) -> list[Row]:
    """The rows that there is room for."""
    names = {m.name for m in SHOWN}
    return [r for r in comparison.rows if r.metric in names]


def is_sweep(comparison: Comparison) -> bool:
    """Whether there are too many configurations to stand side by side."""
    return len(comparison.columns) > MOST_COLUMNS


def sweep_table(comparison: Comparison, names: Mapping[str, str] | None = None) -> tuple[list[str], list[list[str]]]:
    """The head and rows of a table with a row for each configuration: what is set differently, and the most telling figures.

    names: what configurations are called, by letter, where that says already how they differ.
    """
    chosen = [] if names else [f for f in comparison.config if f not in brought(comparison.config)]
    fields = chosen[:MOST_FIELDS]
    shown = [r for r in comparison.rows if r.metric in _SWEEP]
    if any(r.metric == "output_tokens_per_s_per_gpu" for r in shown):
        shown = [r for r in shown if r.metric != "output_tokens_per_s"]
    head_row = ["", "runs", *(short(f, fields) for f in fields), *(f"{r.title} {r.unit}".strip() for r in shown)]
    lines = []
    for i, column in enumerate(comparison.columns):
        set_to = [shown_value(comparison.config[f][i]) for f in fields]
        figures = [f"{mean_text(r.cells[i])} {_MARKS.get(r.cells[i].verdict or '', '')}".rstrip() for r in shown]
        name = names[column.letter] if names else f"{column.letter} {column.name}"
        lines.append([name, str(len(column.runs)), *set_to, *figures])
    return head_row, lines


def legend(comparison: Comparison) -> str:
    """How the table is to be read; nothing where there is nothing to compare."""
    if len(comparison.columns) < 2:
        return ""
    first = comparison.columns[0].letter
    baseline = first if {c.baseline or c.letter for c in comparison.columns} == {first} else _OWN_BASELINE
    return (_SWEEP_LEGEND if is_sweep(comparison) else _LEGEND).format(baseline=baseline)


def reasons(comparison: Comparison) -> list[str]:
    """Why figures are marked, and why configurations are not compared."""
    found: dict[str, list[str]] = {}
    for row in comparison.rows:
        for column, cell in zip(comparison.columns, row.cells, strict=True):
            for text in cell.caveats:
                letters = found.setdefault(text, [])
                letters += [] if column.letter in letters else [column.letter]
    lines = [f"{MARK} {', '.join(letters)}: {text}" for text, letters in found.items()]
    first = comparison.columns[0].letter
    return lines + [f"not compared with {first}: {c.letter}, {'; '.join(c.unlike)}" for c in comparison.columns if c.unlike]


def winner_title(winner: Winner, comparison: Comparison) -> str:
    """The figure; of which configurations, where not all are ranked together."""
    return winner.title if len(winner.among) == len(comparison.columns) else f"{winner.title} of {', '.join(winner.among)}"


def cell_text(cell: Cell) -> str:
    """A mean with its interval; after it, how it differs from the baseline."""
    return f"{mean_text(cell)}  {difference_text(cell)}".rstrip()


def mean_text(cell: Cell) -> str:
    """A mean with half of its interval, and the mark where it has a caveat."""
    mean = marked(number(cell.mean), cell.caveats)
    if not cell.mean_interval:
        return mean
    low, high = cell.mean_interval
    return f"{mean} ±{number((high - low) / 2)}"


def difference_text(cell: Cell) -> str:
    """How a cell differs from the baseline's; nothing of the baseline itself."""
    if cell.difference is None:
        return ""
    base = (cell.mean or 0) - cell.difference
    change = f"{cell.difference / base:+.1%}" if base else f"{cell.difference:+.3g}"
    if cell.why or not cell.difference_interval:
        return f"{change} ({cell.why})"
    low, high = (f"{bound / base:+.1%}" if base else f"{bound:+.3g}" for bound in cell.difference_interval)
    return f"{change} [{low}, {high}] {cell.verdict}"


def terminal(comparison: Comparison) -> str:
    """For a terminal: rich's table, and the rest as lines."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    titles, lines = text_table(comparison)
    for title in titles:
        table.add_column(title)
    for line in lines:
        table.add_row(*line)
    out = io.StringIO()
    console = Console(file=out, width=max(100, 18 + 48 * len(titles)), highlight=False, markup=False)
    console.print(table)
    for text in after(comparison):
        console.print(text, soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def text_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The head and rows of the table that fits the number of configurations."""
    if is_sweep(comparison):
        return sweep_table(comparison)
    titles = ["", *(head(c) for c in comparison.columns)]
    return titles, [[f"{r.title} {r.unit}".strip(), *(cell_text(c) for c in r.cells)] for r in rows(comparison)]


def after(comparison: Comparison) -> list[str]:
    """What stands under the table."""
    several = len(comparison.columns) > 1
    lines = ["", legend(comparison)] if several else []
    lines += reasons(comparison)
    if comparison.winners:
        lines += ["", "best", *(f"  {winner_title(w, comparison)}: {w.text}" for w in comparison.winners)]
    if comparison.config:
        letters = [c.letter for c in comparison.columns]
        behind = brought(comparison.config)
        lines += ["", "different settings"]
        lines += [f"  {name}: {_values(letters, values)}" for name, values in comparison.config.items() if name not in behind]
        lines += [f"  and {len(behind)} fields under topology that follow from its name (listed by --format json)"] if behind else []
    elif several:
        lines += ["", "different settings: none among the recorded ones"]
    lines += [f"excluded {run}: {'; '.join(why)}" for run, why in comparison.left_out.items()]
    return [*lines, *(f"note: {note}" for note in comparison.notes)]


def _values(letters: list[str], values: list[Any]) -> str:
    return ", ".join(f"{shown_value(value)} ({', '.join(its)})" for its, value in by_value(letters, values))


def markdown(comparison: Comparison) -> str:
    """A table for a README or a pull request."""
    titles, cells = text_table(comparison)
    lines = [_line(titles), _line(["---"] * len(titles)), *map(_line, cells)]
    lines += ["", *(f"- {winner_title(w, comparison)}: {w.text}" for w in comparison.winners)]
    if comparison.config:
        letters = [c.letter for c in comparison.columns]
        lines += ["", _line(["different settings", *letters]), _line(["---"] * (1 + len(letters)))]
        lines += [_line([f"`{name}`", *(f"`{shown_value(v)}`" for v in values)]) for name, values in comparison.config.items()]
    lines += ["", *(f"- excluded {run}: {'; '.join(why)}" for run, why in comparison.left_out.items())]
    if len(comparison.columns) > 1:
        lines.append("- " + legend(comparison))
    lines += [f"- {reason.replace(MARK, chr(92) + MARK)}" for reason in reasons(comparison)]
    lines += [f"- {note}" for note in comparison.notes]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


_CSV = (
    *("metric", "unit", "better", "configuration", "name", "runs", "mean", "mean_low", "mean_high"),
    *("baseline", "difference", "difference_low", "difference_high", "verdict", "caveats", "unlike"),
)


def as_csv(comparison: Comparison) -> str:
    """One line for each figure of each configuration; all figures."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV)
    for row in comparison.rows:
        for column, cell in zip(comparison.columns, row.cells, strict=True):
            bounds, apart = cell.mean_interval or ("", ""), cell.difference_interval or ("", "")
            difference = "" if cell.difference is None else cell.difference
            mean = "" if cell.mean is None else cell.mean
            about = [row.metric, row.unit, row.better, column.letter, column.name, len(cell.values)]
            doubts = ["; ".join(cell.caveats), "; ".join(column.unlike)]
            verdict = cell.why or cell.verdict or "baseline"
            writer.writerow([*about, mean, *bounds, column.baseline or "", difference, *apart, verdict, *doubts])
    return out.getvalue()


def as_json(comparison: Comparison) -> str:
    return comparison.model_dump_json(indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Comparison], str]] = {"table": terminal, "markdown": markdown, "csv": as_csv, "json": as_json}
