"""The comparison itself: plain data, decided by pure functions."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from armature.bench.compare import intervals
from armature.bench.compare.groups import Measured, Repeats, differing, flatten, group, usable
from armature.bench.compare.intervals import ENOUGH
from armature.bench.metrics import METRICS, Metric, number
from armature.bench.summary import Group, Part

Verdict = Literal["better", "worse", "no difference shown", "no claim"]


class Column(Part):
    """One configuration, and the runs of it."""

    letter: str
    name: str
    plan_hash: str | None
    runs: list[str]
    seeds: list[int | None]


class Cell(Part):
    """One figure of one configuration, in the metric's unit."""

    values: list[float] = Field(description="One of each run.")
    mean: float | None
    mean_interval: tuple[float, float] | None = Field(description="95% confidence; null for fewer than 3 runs.")
    difference: float | None = Field(description="To the baseline; null for the baseline itself.")
    difference_interval: tuple[float, float] | None = Field(description="95% confidence, Welch's; null for fewer than 3 runs of either.")
    verdict: Verdict | None
    why: str = Field(description="Why nothing is claimed.")


class Row(Part):
    """One figure of all configurations."""

    metric: str
    title: str
    unit: str
    better: Literal["lower", "higher"]
    cells: list[Cell]


class Winner(Part):
    """Who is best in one figure. letter: None when that cannot be said."""

    metric: str
    title: str
    letter: str | None
    text: str


class Comparison(Part):
    """Runs side by side; the first configuration is the baseline."""

    version: Literal[1] = 1
    of_class: str | None = Field(description="The class of requests that is compared; null: all.")
    columns: list[Column]
    rows: list[Row]
    winners: list[Winner]
    config: dict[str, list[Any]] = Field(description="Fields of the deployment and the load that differ, with each configuration's value.")
    left_out: dict[str, list[str]] = Field(description="Runs that must not be used, and why.")
    notes: list[str]


def compare(measured: Sequence[Measured], of_class: str | None = None, with_failed: bool = False) -> Comparison:
    """Compare runs. Those with failures are left out unless `with_failed`; at least one must remain."""
    groups = group(measured) if with_failed else usable(group(measured))
    used = [m for g in groups for m in g.runs]
    figures = [_figures(g, of_class) for g in groups]
    return Comparison(
        of_class=of_class,
        columns=[_column(g) for g in groups],
        rows=[row for m in METRICS if (row := _row(m, figures))],
        winners=[w for m in METRICS if m.headline and len(groups) > 1 and (w := winner(m, groups, figures))],
        config=differing([g.config for g in groups]),
        left_out={m.run.label: [f.text for f in m.summary.failures] for m in measured if m not in used},
        notes=_notes(groups),
    )


def _figures(g: Repeats, of_class: str | None) -> list[Group]:
    """Each run's figures, or those of one class, where it has that."""
    if of_class is None:
        return [m.summary.overall for m in g.runs]
    return [m.summary.classes[of_class] for m in g.runs if of_class in m.summary.classes]


def _column(g: Repeats) -> Column:
    return Column(
        letter=g.letter,
        name=g.name,
        plan_hash=g.runs[0].summary.plan_hash,
        runs=[m.run.label for m in g.runs],
        seeds=[m.summary.seed for m in g.runs],
    )


def _values(get: Callable[[Group], float | None], figures: Sequence[Group]) -> list[float]:
    return [v for f in figures if (v := get(f)) is not None]


def _row(metric: Metric, figures: Sequence[Sequence[Group]]) -> Row | None:
    """A row; None when no run has this figure."""
    columns = [_values(metric.get, f) for f in figures]
    if not any(columns):
        return None
    cells = [cell(metric, values, columns[0] if i else None) for i, values in enumerate(columns)]
    return Row(metric=metric.name, title=metric.title, unit=metric.unit, better=metric.better, cells=cells)


def cell(metric: Metric, values: Sequence[float], baseline: Sequence[float] | None) -> Cell:
    """One figure's repeats against the baseline's; baseline: None for the baseline itself."""
    mean, verdict, why, found, apart = intervals.mean(values), None, "", None, None
    if baseline is not None:
        found = intervals.difference(values, baseline)
        verdict, why = _verdict(metric, found, values, baseline)
        apart = statistics.fmean(values) - statistics.fmean(baseline) if values and baseline else None
    return Cell(
        values=list(values),
        mean=statistics.fmean(values) if values else None,
        mean_interval=(mean.low, mean.high) if mean else None,
        difference=apart,
        difference_interval=(found.low, found.high) if found else None,
        verdict=verdict,
        why=why,
    )


def _verdict(metric: Metric, found: intervals.Interval | None, values: Sequence[float], baseline: Sequence[float]) -> tuple[Verdict, str]:
    if found is None:
        return "no claim", f"{_runs(min(len(values), len(baseline)))}: no claim"
    if not found.excludes_zero:
        return "no difference shown", ""
    return "better" if (found.estimate > 0) == (metric.better == "higher") else "worse", ""


def winner(metric: Metric, groups: Sequence[Repeats], figures: Sequence[Sequence[Group]]) -> Winner | None:
    """Who is best, if the best mean is apart from every other one: all at once with 95% confidence (Bonferroni).

    Configurations with too few runs to claim anything of are named, and not counted.
    """
    known = [(g.letter, values) for g, f in zip(groups, figures, strict=True) if (values := _values(metric.get, f))]
    if len(known) < 2:
        return None
    sign = 1 if metric.better == "higher" else -1
    known.sort(key=lambda k: -sign * statistics.fmean(k[1]))
    few = _few({letter: len(values) for letter, values in known if len(values) < ENOUGH})
    enough = [(letter, values) for letter, values in known if len(values) >= ENOUGH]
    (best, its), *others = enough if len(enough) > 1 else known
    mean = f"{number(statistics.fmean(its))} {metric.unit}".strip()
    if len(enough) < 2:
        return _won(metric, None, f"{best} has the best mean ({mean}); no claim: {few}")
    confidence = 1 - (1 - intervals.CONFIDENCE) / len(others)
    near = [letter for letter, values in others if not ((d := intervals.difference(its, values, confidence)) and d.excludes_zero)]
    aside = f"; not counted: {few}" if few else ""
    if near:
        return _won(metric, None, f"{best} has the best mean ({mean}), not shown to differ from {', '.join(sorted(near))}{aside}")
    return _won(metric, best, f"{best} ({mean}){aside}")


def _won(metric: Metric, letter: str | None, text: str) -> Winner:
    return Winner(metric=metric.name, title=metric.title, letter=letter, text=text)


def _few(runs: Mapping[str, int]) -> str:
    """How many runs each has, told together where they are equally many."""
    told = []
    for count in sorted(set(runs.values())):
        *others, last = sorted(letter for letter, n in runs.items() if n == count)
        told.append(f"{', '.join(others)} and {last} have {_runs(count)} each" if others else f"{last} has {_runs(count)}")
    return ", ".join(told)


def _runs(count: int) -> str:
    return f"{count} run" + ("" if count == 1 else "s")


def _notes(groups: Sequence[Repeats]) -> list[str]:
    """What makes configurations hard to compare, and how to read the intervals."""
    everyone = [m for g in groups for m in g.runs]
    notes = []
    for what, columns in (
        ("hardware", [flatten(m.summary.hardware) for m in everyone]),
        ("versions", [m.summary.versions for m in everyone]),
    ):
        for name, values in differing(list(columns)).items():
            shown = ", ".join(dict.fromkeys("unknown" if v is None else str(v) for v in values))
            notes.append(f"the runs differ in {what}: {name} is {shown}")
    for g in groups:
        seeds = [m.summary.seed for m in g.runs]
        if len(g.runs) > 1 and None not in seeds and len(set(seeds)) == 1:
            notes.append(f"all runs of {g.letter} have the seed {seeds[0]}: its intervals say nothing of other prompts")
    if len(groups) > 1 and any(len(g.runs) >= ENOUGH for g in groups):
        notes.append("each difference has its own 95% interval: of twenty differences that are none, about one is called one")
    return notes
