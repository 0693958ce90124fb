"""How much of a load is done, as its settings say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from armature.bench.live import LoadNow, LoadWatch
from armature.bench.progress import Extent, extent
from armature.bench.stats import distribution
from armature.cli.load_now import load_lines
from support.load_files import BEGAN, load, request

CLOSED = {"kind": "closed", "concurrency": 8}


@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        pytest.param({"shape": CLOSED, "end": {"count": 200}}, Extent(requests=200), id="requests"),
        pytest.param({"shape": CLOSED, "end": {"time_s": 60}}, Extent(seconds=60), id="seconds"),
        pytest.param({"shape": CLOSED, "end": {"count": 200, "time_s": 60}}, Extent(200, 60), id="both"),
        pytest.param({"shape": CLOSED, "end": {"known": {"of": "ttft"}}}, Extent(), id="a mean that is known"),
        pytest.param({"shape": {"kind": "closed", "steps": [[20, 1], [10, 4]]}, "end": {"time_s": 60}}, Extent(seconds=30), id="steps"),
        pytest.param({"shape": CLOSED, "end": {"count": 10}, "classes": [{"turns": 4}]}, Extent(requests=12), id="whole conversations"),
        pytest.param(
            {"shape": CLOSED, "end": {"count": 10}, "classes": [{}, {"shape": CLOSED, "count": 5}]}, Extent(requests=15), id="side by side"
        ),
        pytest.param({"end": {"count": 10}, "classes": [{}, {"shape": CLOSED}]}, Extent(), id="one of two has no end"),
        pytest.param({}, Extent(), id="settings of another generator"),
    ],
)
def test_a_load_ends_when_its_settings_say(settings: dict[str, Any], ends: Extent) -> None:
    assert extent(settings) == ends


@pytest.mark.parametrize(("count", "requests"), [(None, 3), (2, 2), (9, 3)])
def test_a_trace_has_as_many_requests_as_lines(count: int | None, requests: int, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n' * 3 + "\n")
    assert extent({"shape": {"kind": "trace", "trace": str(tmp_path / "t.jsonl")}, "end": {"count": count}}) == Extent(requests=requests)


@pytest.mark.parametrize(
    ("ends", "requests", "seconds", "share"),
    [
        (Extent(), 5, 5, None),
        (Extent(requests=10), 5, 99, 0.5),
        (Extent(requests=10), 12, 0, 1.0),
        (Extent(seconds=10), 0, 2.5, 0.25),
        (Extent(seconds=10), 0, -1, 0.0),
        (Extent(requests=10, seconds=10), 2, 9, 0.9),
    ],
)
def test_whichever_comes_first_decides(ends: Extent, requests: int, seconds: float, share: float | None) -> None:
    assert ends.share(requests, seconds) == share


def test_requests_of_the_warm_up_do_not_count(tmp_path: Path) -> None:
    settings = {"shape": CLOSED, "end": {"count": 10}}
    (tmp_path / "load.json").write_text(json.dumps(load(settings=settings, end_reason="error")))
    watch = LoadWatch(tmp_path)
    with (tmp_path / "requests.0.jsonl").open("a") as f:
        f.writelines(json.dumps(request(i, phase="warmup")) + "\n" for i in range(5))
        f.flush()
        assert watch.look(BEGAN).share is None
        f.writelines(json.dumps(request(i)) + "\n" for i in range(5))
    now = watch.look(BEGAN)
    assert (now.done, now.share) == (10, 0.5)


def test_the_itl_is_left_out_when_nobody_wants_it(tmp_path: Path) -> None:
    (tmp_path / "requests.0.jsonl").write_text(json.dumps(request(0)) + "\n")
    now = LoadWatch(tmp_path).look(BEGAN, gaps=False)
    assert now.ttft_ms is not None and now.itl_ms is None


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        (LoadNow("warmup", done=3), "load warm-up: 3 done, 0 failed"),
        (LoadNow("measure", done=3, failed=1), "load measure: 3 done, 1 failed"),
        (LoadNow("measure", done=3, share=0.999), "load 99%: 3 done, 0 failed"),
        (LoadNow("ended (count)", done=3, requests_per_s=9.0), "load ended (count): 3 done, 0 failed"),
    ],
)
def test_the_first_line_says_how_far_a_load_is(now: LoadNow, begins: str) -> None:
    assert load_lines(now)[0].startswith(begins)


def test_a_load_that_has_ended_has_no_rate() -> None:
    assert len(load_lines(LoadNow("ended (count)", done=3, requests_per_s=9.0, ttft_ms=distribution([1.0])))) == 1


def test_the_lines_of_a_large_load_fit_80_columns() -> None:
    few = distribution([12345.0] * 3)
    now = LoadNow("measure", 123_456, 1_234, 1_031.2, 132_000.0, few, few, share=0.42)
    assert max(map(len, load_lines(now))) <= 80
