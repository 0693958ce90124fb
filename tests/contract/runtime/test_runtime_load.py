"""A worker's load: it reaches the router, and /metrics."""

from __future__ import annotations

import socket

import pytest
from processes import NAME, Host, Pair, call, chat, listeners, wait_for
from prometheus_client.parser import text_string_to_metric_families

CHAT = "/v1/chat/completions"
LABELS = {"model", "worker_id", "dynamo_namespace", "dynamo_component", "role"}


@pytest.mark.parametrize("mode", ["round_robin", "kv"])
def test_the_router_spares_a_worker_whose_own_report_says_that_it_is_full(fresh: Host, mode: str) -> None:
    used = fresh.folder / "used"
    used.write_text("0")
    frontend = fresh.frontend("--router-mode", mode, "--no-kv-events", "--busy-blocks", "0.5")
    fresh.worker("--publish-load", SCRIPT_USED=str(used))
    fresh.routable(frontend)

    def status() -> int:
        return call(frontend.port, CHAT, chat()).status

    wait_for(lambda: status() == 200, "an idle worker is asked")
    used.write_text(str(900 * 16))
    wait_for(lambda: status() == 503, "a full one is not", timeout_s=5)
    used.write_text("0")
    wait_for(lambda: status() == 200, "one that was emptied is asked again", timeout_s=5)


def test_metrics_has_our_series_beside_the_runtimes(pair: Pair) -> None:
    def families() -> dict[str, list[dict[str, str]]]:
        text = call(pair.worker.port, "/metrics").body
        return {family.name: [sample.labels for sample in family.samples] for family in text_string_to_metric_families(text)}

    found = wait_for(lambda: "armature_kv_blocks" in (read := families()) and read, "the first report")
    assert found["armature_kv_blocks"] == [{"dp_rank": "0"} | {k: v for k, v in found["armature_kv_blocks"][0].items() if k in LABELS}]
    ours, theirs = found["armature_model_load_seconds"][0], found["dynamo_component_inflight_requests"][0]
    assert set(ours) == LABELS
    shared = LABELS - {"role"}
    assert {k: ours[k] for k in shared} == {k: theirs[k] for k in shared}
    assert (ours["model"], ours["role"]) == (NAME, "aggregated")


def test_the_load_is_published_to_this_machine_only(fresh: Host) -> None:
    """The runtime binds the publisher on every interface: here 127.0.0.2 stands for another one."""
    worker = fresh.worker("--publish-load")
    ports = wait_for(lambda: [port for address, port in listeners(worker.process.pid) if address == "0.0.0.0"], "it listens")

    def answers(address: str) -> bool:
        try:
            socket.create_connection((address, ports[0]), timeout=0.5).close()
        except TimeoutError:
            return False
        return True

    wait_for(lambda: not answers("127.0.0.2"), "another address is not answered", timeout_s=5)
    assert answers("127.0.0.1")
