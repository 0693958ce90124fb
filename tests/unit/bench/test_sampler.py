"""What the sampler reads, and how often."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from armature.address import Address
from armature.bench.records import Sample
from armature.bench.sampler import Processes, Target, node_of, read_metrics, sample
from armature.recording import LineFile, Losses

TEXT = """\
# TYPE armature_requests_running gauge
armature_requests_running{dp_rank="0"} 3
# TYPE ttft_seconds histogram
ttft_seconds_bucket{le="0.1"} 1
ttft_seconds_bucket{le="+Inf"} 2
ttft_seconds_sum 0.5
ttft_seconds_count 2
# TYPE process_cpu_seconds counter
process_cpu_seconds_total 9
# TYPE unknown gauge
unknown NaN
"""


def test_figures_are_read_without_buckets_and_the_interpreters_own() -> None:
    assert list(read_metrics("worker-0", 5.0, TEXT)) == [
        Sample(5.0, "worker-0", "armature_requests_running", 3.0, {"dp_rank": "0"}),
        Sample(5.0, "worker-0", "ttft_seconds_sum", 0.5, {}),
        Sample(5.0, "worker-0", "ttft_seconds_count", 2.0, {}),
    ]


def test_a_node_that_does_not_answer_has_no_figures() -> None:
    assert Target("worker-0", Address("127.0.0.1", 9)).samples() == []


def test_processes_are_a_nodes_by_their_tmpdir(tmp_path: Path) -> None:
    busy = "import time; end = time.time() + 20\nwhile time.time() < end: pass"
    process = subprocess.Popen([sys.executable, "-c", busy], env=os.environ | {"TMPDIR": str(tmp_path / "worker-0")})
    try:
        time.sleep(0.3)
        processes = Processes(tmp_path)
        processes.samples()
        time.sleep(1.0)
        found = {(s.node, s.name): s.value for s in processes.samples()}
    finally:
        process.kill()
        process.wait()
    assert {key for key in found if key[0] != "host"} == {("worker-0", "host_cpu_cores"), ("worker-0", "host_rss_bytes")}
    assert 0 <= found["host", "host_cpu_others_ratio"] <= 1 and found["host", "host_runnable_per_core"] > 0
    assert found["worker-0", "host_cpu_cores"] > 0.1 and found["worker-0", "host_rss_bytes"] > 1e6


def test_what_a_node_s_process_started_is_the_node_s_though_its_environment_cannot_be_read(tmp_path: Path) -> None:
    """As an engine's scheduler, whose new title overwrites its environment."""
    hide = "import subprocess; subprocess.run(['sleep', '20'], env={})"
    process = subprocess.Popen([sys.executable, "-c", hide], env=os.environ | {"TMPDIR": str(tmp_path / "worker-0")})
    try:
        while not (children := psutil.Process(process.pid).children()):
            time.sleep(0.05)
        assert node_of(children[0], str(tmp_path)) == "worker-0"
        assert node_of(psutil.Process(), str(tmp_path)) is None
    finally:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
        process.wait()


@pytest.mark.parametrize("slow_s", [0.0, 0.25])
def test_looks_are_every_interval_and_never_hurried(tmp_path: Path, slow_s: float) -> None:
    began, waits, out = time.monotonic(), [], tmp_path / "samples.jsonl"

    def source() -> list[Sample]:
        time.sleep(slow_s)
        return [Sample(1.0, "n", "x", 2.0)]

    def ended(wait_s: float) -> bool:
        waits.append(wait_s)
        time.sleep(max(0.0, wait_s))
        return time.monotonic() - began > 0.6

    sample([source], LineFile.at(out), 0.1, ended, Losses())
    lines = out.read_bytes().splitlines()
    assert msgspec.json.decode(lines[0], type=Sample) == Sample(1.0, "n", "x", 2.0)
    assert len(lines) == len(waits) <= (3 if slow_s else 8)


def test_a_disk_that_is_full_loses_samples_and_nothing_else() -> None:
    said: list[str] = []
    losses, looks = Losses(said.append), iter([False, False, True])
    sample([lambda: [Sample(1.0, "n", "x", 2.0)]], LineFile.at(Path("/dev/full")), 0.01, lambda wait_s: next(looks), losses)
    assert said == ["recording failed: samples: No space left on device. The run continues; its record has gaps."]
    assert losses.summary() == "No space left on device: samples (3 times)"
