"""The comparison: plain data, computed by pure functions."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from pydantic import Field

from armature.bench import trust
from armature.bench.compare import intervals
from armature.bench.compare.groups import Measured, Repeats, differing, flatten, group, usable
from armature.bench.compare.intervals import ENOUGH
from armature.bench.compare.likeness import cohorts, unlike
from armature.bench.compare.settings import arranged
from armature.bench.metrics import METRICS, Metric, number
from armature.bench.summary import Group, Part

Verdict = Literal["better", "worse", "no difference shown", "no claim"]


class Column(Part):
    """One configuration and its runs. baseline: the letter of the configuration that it is compared with: the first one that it may be
    ranked against; null if it is a baseline. unlike: why it is not compared with the first of all configurations."""

    letter: str
    name: str
    plan_hash: str | None
    runs: list[str]
    seeds: list[int | None]
    baseline: str | None
    unlike: list[str]


class Cell(Part):
    """One figure of one configuration, in the metric's unit."""

    values: list[float] = Field(description="One value per run.")
    mean: float | None
    mean_interval: tuple[float, float] | None = Field(description="95% confidence interval; null for fewer than 3 runs.")
    difference: float | None = Field(description="This mean minus the baseline's mean; null if the column is a baseline.")
    difference_interval: tuple[float, float] | None = Field(
        description="95% confidence interval by Welch's t-test; null if either has fewer than 3 runs."
    )
    verdict: Verdict | None
    why: str = Field(description="Why there is no claim.")
    caveats: list[str] = Field(description="Reasons to doubt this figure. A figure with a caveat is not ranked.")


class Row(Part):
    """One figure of all configurations."""

    metric: str
    title: str
    unit: str
    better: Literal["lower", "higher"]
    cells: list[Cell]


class Winner(Part):
    """The configuration that is best in one figure, among those that may be ranked. letter: None if none is shown to be best."""

    metric: str
    title: str
    among: list[str] = Field(description="The letters of the configurations that were compared: same load, hardware and versions.")
    letter: str | None
    text: str


class Comparison(Part):
    """A comparison of runs. Among configurations that may be ranked against each other, the first is the baseline."""

    version: Literal[2] = 2
    of_class: str | None = Field(description="The compared class of requests; null: all requests.")
    columns: list[Column]
    rows: list[Row]
    winners: list[Winner]
    config: dict[str, list[Any]] = Field(
        description="Fields of the deployment and the load that differ, with each configuration's value. Fields that the user chose come "
        "first; fields that only follow from the topology come last."
    )
    left_out: dict[str, list[str]] = Field(description="Invalid runs, with the reasons.")
    notes: list[str]


def compare(
    measured: Sequence[Measured], of_class: str | None = None, with_failed: bool = False, across: Collection[str] = ()
) -> Comparison:
    """Compare runs. Runs with failures are left out unless `with_failed`; at least one run must remain.

    across: causes (likeness.CAUSES) that do not prevent a ranking.
    """
    groups = group(measured) if with_failed else usable(group(measured))
    used = [m for g in groups for m in g.runs]
    figures = {g.letter: _figures(g, of_class) for g in groups}
    alike = cohorts(groups, across)
    baselines = {g.letter: c[0].letter for c in alike for g in c}
    return Comparison(
        of_class=of_class,
        columns=[_column(g, baselines[g.letter], unlike(groups[0], g, across)) for g in groups],
        rows=[row for m in METRICS if (row := _row(m, figures, baselines))],
        winners=[w for m in METRICS if m.headline for c in alike if (w := winner(m, c, figures))],
        config=arranged(differing([g.config for g in groups])),
        left_out={m.run.label: [f.text for f in m.summary.failures] for m in measured if m not in used},
        notes=_notes(groups),
    )


def _figures(g: Repeats, of_class: str | None) -> list[Group]:
    """Each run's figures, or those of one class, where it has that."""
    if of_class is None:
        return [m.summary.overall for m in g.runs]
    return [m.summary.classes[of_class] for m in g.runs if of_class in m.summary.classes]


def _column(g: Repeats, baseline: str, unlike: list[str]) -> Column:
    return Column(
        letter=g.letter,
        name=g.name,
        plan_hash=g.runs[0].summary.plan_hash,
        runs=[m.run.label for m in g.runs],
        seeds=[m.summary.seed for m in g.runs],
        baseline=None if baseline == g.letter else baseline,
        unlike=unlike,
    )


def _values(get: Callable[[Group], float | None], figures: Sequence[Group]) -> list[float]:
    return [v for f in figures if (v := get(f)) is not None]


def _caveats(metric: Metric, figures: Sequence[Group]) -> list[str]:
    """Reasons to doubt this figure in any of the runs, each reason once."""
    return list(dict.fromkeys(text for f in figures if metric.get(f) is not None for text in trust.of(f.caveats, metric.name)))


def _row(metric: Metric, figures: Mapping[str, Sequence[Group]], baselines: Mapping[str, str]) -> Row | None:
    """A row; None when no run has this figure. baselines: each configuration's."""
    columns = {letter: _values(metric.get, its) for letter, its in figures.items()}
    if not any(columns.values()):
        return None
    doubts = {letter: _caveats(metric, its) for letter, its in figures.items()}
    cells = []
    for letter, values in columns.items():
        base = baselines[letter]
        found = cell(metric, values, columns[base] if base != letter else None, doubts[letter], doubts[base])
        cells.append(found)
    return Row(metric=metric.name, title=metric.title, unit=metric.unit, better=metric.better, cells=cells)


def cell(
    metric: Metric, values: Sequence[float], baseline: Sequence[float] | None, caveats: Sequence[str] = (), theirs: Sequence[str] = ()
) -> Cell:
    """One figure's repeats against the baseline's; baseline: None for a baseline itself. caveats: of this figure; theirs: of the
    baseline's."""
    verdict: Verdict | None = None
    mean, why, found, apart = intervals.mean(values), "", None, None
    if baseline is not None:
        found = intervals.difference(values, baseline)
        verdict, why = _verdict(metric, found, values, baseline)
        if caveats or theirs:
            verdict, why = "no claim", f"no claim: {trust.MARK}"
        apart = statistics.fmean(values) - statistics.fmean(baseline) if values and baseline else None
    return Cell(
        values=list(values),
        mean=statistics.fmean(values) if values else None,
        mean_interval=(mean.low, mean.high) if mean else None,
        difference=apart,
        difference_interval=(found.low, found.high) if found else None,
        verdict=verdict,
        why=why,
        caveats=list(caveats),
    )


def _verdict(metric: Metric, found: intervals.Interval | None, values: Sequence[float], baseline: Sequence[float]) -> tuple[Verdict, str]:
    if found is None:
        return "no claim", f"{_runs(min(len(values), len(baseline)))}: no claim"
    if not found.excludes_zero:
        return "no difference shown", ""
    return "better" if (found.estimate > 0) == (metric.better == "higher") else "worse", ""


def winner(metric: Metric, groups: Sequence[Repeats], figures: Mapping[str, Sequence[Group]]) -> Winner | None:
    """Who is best of `groups`, which may be ranked: the best mean, if it differs from every other one with 95% confidence in all
    (Bonferroni). None where fewer than two have the figure.

    Configurations whose figure has a caveat, or that have too few runs, are named and not ranked.
    """
    everyone = {g.letter: values for g in groups if (values := _values(metric.get, figures[g.letter]))}
    if len(everyone) < 2:
        return None
    doubtful = [letter for letter in everyone if _caveats(metric, figures[letter])]
    known = [(letter, values) for letter, values in everyone.items() if letter not in doubtful]
    marked = f"{', '.join(doubtful)} {'is' if len(doubtful) == 1 else 'are'} marked {trust.MARK}" if doubtful else ""
    won = partial(_won, metric, list(everyone))
    if len(known) < 2:
        return won(None, f"not ranked: {marked}")
    sign = 1 if metric.better == "higher" else -1
    known.sort(key=lambda k: -sign * statistics.fmean(k[1]))
    few = _few({letter: len(values) for letter, values in known if len(values) < ENOUGH})
    enough = [(letter, values) for letter, values in known if len(values) >= ENOUGH]
    (best, its), *others = enough if len(enough) > 1 else known
    mean = f"{number(statistics.fmean(its))} {metric.unit}".strip()
    if len(enough) < 2:
        return won(None, f"{best} has the best mean ({mean}); no claim: {'; '.join(filter(None, (few, marked)))}")
    confidence = 1 - (1 - intervals.CONFIDENCE) / len(others)
    near = [letter for letter, values in others if not ((d := intervals.difference(its, values, confidence)) and d.excludes_zero)]
    aside = f"; not ranked: {'; '.join(filter(None, (few, marked)))}" if few or marked else ""
    if near:
        return won(None, f"{best} has the best mean ({mean}), not shown to differ from {', '.join(sorted(near))}{aside}")
    return won(best, f"{best} ({mean}){aside}")


def _won(metric: Metric, among: list[str], letter: str | None, text: str) -> Winner:
    return Winner(metric=metric.name, title=metric.title, among=among, letter=letter, text=text)


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
            notes.append(f"all runs of {g.letter} have the seed {seeds[0]}: its intervals are valid for these prompts only")
    if len(groups) > 1 and any(len(g.runs) >= ENOUGH for g in groups):
        notes.append("each difference has its own 95% interval: about one in twenty equal pairs is reported as different")
    return notes
