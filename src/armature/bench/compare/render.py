"""A comparison as a table for terminals, as Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from armature.bench.compare.comparison import Cell, Column, Comparison, Row
from armature.bench.metrics import SHOWN, number

LEGEND = "mean ± half of its 95% interval; then the difference to {baseline} with its 95% interval, and what that shows"


def head(column: Column) -> str:
    """A column's title."""
    return f"{column.letter} {column.name} ({len(column.runs)} run{'s' if len(column.runs) > 1 else ''})"


def rows(comparison: Comparison) -> list[Row]:
    """The rows that there is room for."""
    names = {m.name for m in SHOWN}
    return [r for r in comparison.rows if r.metric in names]


def cell_text(cell: Cell) -> str:
    """A mean with its interval; after it, how it differs from the baseline."""
    return f"{mean_text(cell)}  {difference_text(cell)}".rstrip()


def mean_text(cell: Cell) -> str:
    """A mean with half of its interval."""
    if not cell.mean_interval:
        return number(cell.mean)
    low, high = cell.mean_interval
    return f"{number(cell.mean)} ±{number((high - low) / 2)}"


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
    table.add_column("")
    for column in comparison.columns:
        table.add_column(head(column))
    for row in rows(comparison):
        table.add_row(f"{row.title} {row.unit}".strip(), *(cell_text(c) for c in row.cells))
    out = io.StringIO()
    width = max(100, 18 + 48 * len(comparison.columns))
    console = Console(file=out, width=width, highlight=False, markup=False)
    console.print(table)
    for line in after(comparison):
        console.print(line, soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def after(comparison: Comparison) -> list[str]:
    """What stands under the table."""
    several = len(comparison.columns) > 1
    lines = ["", LEGEND.format(baseline=comparison.columns[0].letter)] if several else []
    if comparison.winners:
        lines += ["", "best", *(f"  {w.title}: {w.text}" for w in comparison.winners)]
    if comparison.config:
        letters = [c.letter for c in comparison.columns]
        lines += ["", "set differently", *(f"  {name}: {_values(letters, values)}" for name, values in comparison.config.items())]
    elif several:
        lines += ["", "set differently: nothing that was kept with the runs"]
    lines += [f"left out {run}: {'; '.join(why)}" for run, why in comparison.left_out.items()]
    return [*lines, *(f"note: {note}" for note in comparison.notes)]


def _values(letters: list[str], values: list[Any]) -> str:
    return ", ".join(f"{letter}={value_text(value)}" for letter, value in zip(letters, values, strict=True))


def value_text(value: Any) -> str:
    """A configured value, as a user would write it."""
    return value if isinstance(value, str) else json.dumps(value)


def markdown(comparison: Comparison) -> str:
    """A table for a README or a pull request."""
    titles = ["", *(head(c) for c in comparison.columns)]
    lines = [_line(titles), _line(["---"] * len(titles))]
    lines += [_line([f"{r.title} {r.unit}".strip(), *(cell_text(c) for c in r.cells)]) for r in rows(comparison)]
    lines += ["", *(f"- {w.title}: {w.text}" for w in comparison.winners)]
    if comparison.config:
        lines += ["", _line(["set differently", *(c.letter for c in comparison.columns)]), _line(["---"] * len(titles))]
        lines += [_line([f"`{name}`", *(f"`{value_text(v)}`" for v in values)]) for name, values in comparison.config.items()]
    lines += ["", *(f"- left out {run}: {'; '.join(why)}" for run, why in comparison.left_out.items())]
    if len(comparison.columns) > 1:
        lines.append("- " + LEGEND.format(baseline=comparison.columns[0].letter))
    lines += [f"- {note}" for note in comparison.notes]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


_CSV = (
    *("metric", "unit", "better", "configuration", "name", "runs", "mean", "mean_low", "mean_high"),
    *("difference", "difference_low", "difference_high", "verdict"),
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
            writer.writerow([*about, mean, *bounds, difference, *apart, cell.why or cell.verdict or "baseline"])
    return out.getvalue()


def as_json(comparison: Comparison) -> str:
    return comparison.model_dump_json(indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Comparison], str]] = {"table": terminal, "markdown": markdown, "csv": as_csv, "json": as_json}
