"""A rank that is stopped, so that it neither dies nor works: within worker.check_s its worker is gone and its requests are elsewhere."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psutil
import pytest

from support.loading import Load, under_load
from support.serving import Up, up

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

CHECK_S = 10.0
# From the decision to the event: the worker withdraws and kills its engine, its guard tells the launcher. On a busy host.
END_S = 3.0
WORDS = ("+model=tiny-qwen3", "frontend.port=0", f"worker.check_s={CHECK_S:g}")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def scheduler(running: Up, node: str, named: str = "sglang::scheduler") -> psutil.Process:
    """A scheduler process of a node."""
    worker = psutil.Process(running.pids(node)[-1])
    return next(p for p in worker.children(recursive=True) if named in " ".join(p.cmdline()))


async def exited(running: Up, node: str, within_s: float) -> float:
    """Seconds until a node has ended."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        while running.event("exited", node) is None:
            await asyncio.sleep(0.05)
    return time.monotonic() - began


def asked_of(running: Up, node: str) -> str:
    return next(running.runs.glob(f"*/*/logs/{node}.log")).read_text(errors="replace")


def test_no_request_fails_when_one_of_two_workers_hangs(tmp_path: Path, cache: Path) -> None:
    with up(tmp_path, cache, "agg", "experiment=two_workers", *WORDS) as running:
        running.wait_event("serving")
        took: list[float] = []
        slow: list[float] = []

        async def stop(load: Load) -> None:
            await asyncio.sleep(3)
            stopped_at = load.now()
            scheduler(running, "worker-1").suspend()
            took.append(await exited(running, "worker-1", CHECK_S + END_S + 10))
            await asyncio.sleep(2)
            slow.extend(a.ended - a.began for a in load.asked if a.began > stopped_at + CHECK_S / 2 + 1)

        load = asyncio.run(under_load(running.plan["url"], running.plan["model"], stop))
        print(f"gone after {took[0]:.1f} s; {len(load.asked)} requests, {len(load.failed)} failed")
        assert took[0] < CHECK_S + END_S
        assert load.failed == []
        assert slow and max(slow) < CHECK_S / 2, "requests were sent to a suspect worker"
        log = asked_of(running, "worker-1")
        assert log.index("not accepting requests: rank 0 has been silent") < log.index("the engine hangs: its rank 0 has been silent")


def test_a_rank_of_two_that_hangs_ends_its_worker(tmp_path: Path, cache: Path) -> None:
    with up(tmp_path, cache, "dp", *WORDS) as running:
        running.wait_event("serving")
        scheduler(running, "worker-0", "scheduler_DP1").suspend()
        took = asyncio.run(exited(running, "worker-0", CHECK_S + END_S + 10))
        print(f"gone after {took:.1f} s")
        assert took < CHECK_S + END_S
        assert "the engine hangs: its rank 1 has been silent" in asked_of(running, "worker-0")


def test_a_rank_that_goes_on_in_time_is_taken_back(tmp_path: Path, cache: Path) -> None:
    """Also: an idle engine is no silent one."""
    with up(tmp_path, cache, "agg", *WORDS) as running:
        running.wait_event("serving")
        time.sleep(CHECK_S)
        assert "not accepting requests" not in asked_of(running, "worker-0")
        rank = scheduler(running, "worker-0")
        rank.suspend()
        time.sleep(CHECK_S * 0.65)
        rank.resume()

        async def nothing(load: Load) -> None:
            await asyncio.sleep(CHECK_S)

        load = asyncio.run(under_load(running.plan["url"], running.plan["model"], nothing, users=2))
        log = asked_of(running, "worker-0")
        assert log.index("not accepting requests: rank 0 has been silent") < log.index("accepting requests again")
        assert running.event("exited", "worker-0") is None
        assert load.asked[-1].error is None
        assert load.good_from < 3, "it was not back soon"
