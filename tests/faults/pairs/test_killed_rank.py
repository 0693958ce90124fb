"""A data-parallel rank that dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest
from watched import until_ready

from support.loading import Load, under_load
from support.serving import up

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


def test_a_killed_rank_ends_its_worker_which_comes_back(tmp_path: Path, cache: Path) -> None:
    with up(tmp_path, cache, "dp", "+model=tiny-qwen3", "frontend.port=0") as running:
        running.wait_event("serving")

        async def kill(load: Load) -> None:
            await asyncio.sleep(2)
            worker = psutil.Process(running.pids("worker-0")[-1])
            rank = next(p for p in worker.children(recursive=True) if "scheduler_DP1" in " ".join(p.cmdline()))
            rank.kill()
            await until_ready(running, "worker-0", 2)
            await asyncio.sleep(6)

        load = asyncio.run(under_load(running.plan["url"], running.plan["model"], kill))
        died = running.event("exited", "worker-0")
        assert died and any("scheduler_DP1" in line and "died" in line for line in died["last_lines"])
        assert load.failed, "nobody noticed: was it killed?"
        assert load.asked[-1].error is None
        print(f"{len(load.failed)} of {len(load.asked)} failed; none that began after {load.good_from:.1f} s did")
