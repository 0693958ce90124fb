"""Series as text, read back by Prometheus' own parser."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from armature.telemetry import catalogue as c
from armature.telemetry.catalogue import Value
from armature.telemetry.exposition import text

COMMON = {"model": "m", "worker_id": "ab", "role": "decode"}


def read(shown: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    return {s.name: [(t.labels, t.value) for t in f.samples] for f in text_string_to_metric_families(shown) for s in f.samples}


def engines(name: str, **labels: str) -> Metric:
    metric = Metric(name, "help", "gauge")
    metric.add_sample(name, labels, 1.0)
    return metric


def test_each_rank_is_a_series_of_one_family() -> None:
    shown = text([Value(c.RUNNING, 1, ("0",)), Value(c.BLOCKS, 9, ("0",)), Value(c.RUNNING, 2, ("1",))], (), COMMON)
    assert read(shown)[c.RUNNING.name] == [(COMMON | {"dp_rank": "0"}, 1), (COMMON | {"dp_rank": "1"}, 2)]
    assert shown.count(f"# TYPE {c.RUNNING} gauge") == 1


def test_a_counter_keeps_its_name() -> None:
    shown = text([Value(c.EVENT_GAPS, 4, ("0",))], (), COMMON)
    assert read(shown)[c.EVENT_GAPS.name] == [(COMMON | {"dp_rank": "0"}, 4)]
    assert f"# TYPE {c.EVENT_GAPS} counter" in shown


def test_the_engines_series_get_our_labels() -> None:
    shown = text((), [engines("sglang:x", model_name="/some/folder", tp_rank="0", engine_type="unified")], COMMON)
    assert read(shown)["sglang:x"] == [(COMMON | {"tp_rank": "0", "dp_rank": "0", "engine_type": "unified"}, 1)]


def test_the_engines_ranks_stay_apart() -> None:
    shown = text((), [engines("sglang:x", tp_rank="0", dp_rank="1")], COMMON)
    assert read(shown)["sglang:x"][0][0]["dp_rank"] == "1"
