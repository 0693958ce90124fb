"""Series as the text that Prometheus reads.

prometheus_client is imported when the first text is made: an engine decides before that where its processes keep their series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from armature.telemetry.catalogue import RANK, Value

if TYPE_CHECKING:
    from prometheus_client import Metric


def text(values: Iterable[Value], engine: Iterable[Metric], common: Mapping[str, str]) -> str:
    """`values` of our own and the engine's series, all with `common` labels."""
    from prometheus_client import generate_latest

    made: str = generate_latest(_Collected([*_families(values, common), *(_relabelled(metric, common) for metric in engine)])).decode()
    return made


class _Collected:
    """What prometheus_client takes for a registry."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _families(values: Iterable[Value], common: Mapping[str, str]) -> Iterator[Metric]:
    from prometheus_client import Metric

    families: dict[str, Any] = {}
    for value in values:
        about = value.metric
        if about.name not in families:
            families[about.name] = Metric(about.name.removesuffix("_total"), about.help, about.kind)
        families[about.name].add_sample(about.name, {**common, **dict(zip(about.labels, value.labels, strict=True))}, value.number)
    yield from families.values()


def _relabelled(metric: Metric, common: Mapping[str, str]) -> Metric:
    """One of the engine's, with our labels: `model` instead of the folder of its files, and its data-parallel rank, which SGLang
    leaves out where there is one only."""
    for i, sample in enumerate(metric.samples):
        labels = {k: v for k, v in sample.labels.items() if k != "model_name"}
        if "tp_rank" in labels:
            labels.setdefault(RANK, "0")
        metric.samples[i] = sample._replace(labels={**labels, **common})
    return metric
