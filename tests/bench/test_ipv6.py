"""A run in which every address that a user can choose is an IPv6 one: served, load put on, sampled, profiled, reported on."""

from __future__ import annotations

import json
import socket

import pytest

from support.measuring import SMALL, Place

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as e:
        pytest.skip(f"this machine has no ::1: {e}")


def test_a_pair_meets_and_serves_on_ipv6(place: Place) -> None:
    words = ("disagg", "+model=tiny-qwen3", "frontend.host=::1", "frontend.port=0", "disaggregation.host=::1", *SMALL, "load.concurrency=4")
    code, output = place.run(["up", *words, "profile=torch", "profile.after_s=0", "profile.seconds=0.5"], timeout_s=350)
    assert code == 0, output
    (report,) = place.runs.glob("*/*/report.html")
    run = report.parent
    plan = json.loads((run / "plan.json").read_text())
    assert plan["url"].startswith("http://[::1]:")
    assert json.loads((run / "load/load.json").read_text())["host"] == plan["url"]
    assert json.loads((run / "results/summary.json").read_text())["overall"]["counts"]["ok"] == 40
    sampled = {json.loads(line)["node"] for line in (run / "load/samples.jsonl").read_text().splitlines()}
    assert {"frontend", "prefill-0", "decode-0"} <= sampled
    assert all((run / "results/profile" / node).is_dir() for node in ("prefill-0", "decode-0"))
