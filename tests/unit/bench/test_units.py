"""Figures are shown in the size that a reader expects."""

from __future__ import annotations

import pytest

from armature.bench import units


@pytest.mark.parametrize(
    ("name", "greatest", "title", "shown"),
    [
        ("host_rss_bytes", 3 * 2**20, "MiB", 3.0),
        ("host_rss_bytes", 700, "B", 700.0),
        ("gpu_memory_used_bytes", 80 * 2**30, "GiB", 80.0),
        ("dynamo_component_request_bytes_total", 2**20, "MiB", 1.0),
        ("dynamo_work_handler_queue_seconds_sum", 0.004, "ms", 4.0),
        ("armature_model_load_seconds", 7200, "h", 2.0),
        ("dynamo_router_overhead_total_ms_sum", 2500, "s", 2.5),
        ("dynamo_tokio_worker_mean_poll_time_ns", 4000, "µs", 4.0),
        ("armature_rank_last_report_timestamp_seconds", 0.25, "ms", 250.0),
        ("armature_kv_cache_use_ratio", 0.5, "%", 50.0),
        ("gpu_utilization", 1, "%", 100.0),
        ("host_cpu_cores", 1.5, "cores", 1.5),
        ("request_duration_seconds_count", 9000, "", 9000.0),
        ("host_rss_bytes", 0, "B", 0.0),
        ("uptime_seconds", 0, "s", 0.0),
    ],
)
def test_a_metric_has_the_largest_unit_of_which_there_is_one(name: str, greatest: float, title: str, shown: float) -> None:
    unit = units.of_metric(name, greatest)
    assert (unit.name, greatest * unit.factor) == (title, pytest.approx(shown))


@pytest.mark.parametrize(("greatest", "title"), [(0.4, "ms"), (9_000, "ms"), (30_000, "s")])
def test_latencies_stay_in_ms_while_that_can_be_read(greatest: float, title: str) -> None:
    assert units.of_latency(greatest).name == title


def test_a_plain_number_has_no_unit_in_its_title() -> None:
    assert units.Unit().after("requests") == "requests"
