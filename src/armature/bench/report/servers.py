"""What was sampled on the servers, one plot for each metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go

from armature.bench import units
from armature.bench.compare.settings import telling
from armature.bench.records import Sample
from armature.bench.report import series
from armature.bench.report.figures import Drawing, colour, lines_of, rounded, styled
from armature.bench.server import Key, increase_per_s, is_counter


def sampled(name: str, found: Mapping[Key, Sequence[Sample]], zero: float) -> Drawing:
    """One metric, with a line for each node and set of labels. Counters are shown as rates, Unix times as ages.

    zero: when measuring began.
    """
    lines = {key: _values(name, samples) for key, samples in found.items()}
    unit = units.of_metric(name, max((v for points in lines.values() for _, v in points), default=0.0))
    figure = go.Figure()
    for number, (shown, points) in enumerate(zip(names(list(lines)), lines.values(), strict=True)):
        kept = series.thinned([(t - zero, v * unit.factor) for t, v in points], most=400)
        figure.add_scatter(
            x=rounded([p[0] for p in kept]), y=rounded([p[1] for p in kept]), name=shown, mode="lines", line={"color": colour(number)}
        )
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(title="seconds since measuring began")
    return Drawing(styled(figure, 210), _title(name, unit), lines_of([figure]))


def names(keys: Sequence[Key]) -> list[str]:
    """A name for each series of one metric: its node, and of its labels those that tell it from the others."""
    labels = dict.fromkeys(label for _, _, pairs in keys for label, _ in pairs)
    columns = {"": [node for node, _, _ in keys]} | {label: [dict(pairs).get(label) for _, _, pairs in keys] for label in labels}
    needed = [label for label in telling(columns) if label]
    return [" ".join([node, *(f"{k}={dict(pairs)[k]}" for k in needed if k in dict(pairs))]) for node, _, pairs in keys]


def _title(name: str, unit: units.Unit) -> str:
    if units.is_moment(name):
        return unit.after(f"{name}: time since then")
    if is_counter(name):
        return f"{name}, {unit.name}/s" if unit.name else f"{name}, per second"
    return unit.after(name)


def _values(name: str, samples: Sequence[Sample]) -> list[tuple[float, float]]:
    if is_counter(name):
        return [(b.t, rate) for a, b in pairwise(samples) if (rate := increase_per_s([a, b])) is not None]
    return [(s.t, s.t - s.value if units.is_moment(name) else s.value) for s in samples]
