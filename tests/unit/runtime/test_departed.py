"""Workers that die are forgotten, and only they."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from armature.runtime.departed import CARDS, Departures, process, sign_in

pytestmark = pytest.mark.asyncio

DEAD, LIVING = 0xABC, 0x8C574899E939EF01


def listed(folder: Path, instance: int) -> list[Path]:
    """What the runtime lists for an instance."""
    entries = [folder / "v1" / bucket / f"ns%2Fbackend%2Fgenerate%2F{instance:x}" for bucket in ("instances", "mdc")]
    for entry in entries:
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text("{}")
    return entries


def card(folder: Path, instance: int, content: object) -> Path:
    path = folder / CARDS / f"{instance:x}"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[None]:
    task = asyncio.create_task(Departures(folder).watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def gone(paths: list[Path]) -> None:
    async with asyncio.timeout(20):
        while any(p.exists() for p in paths):
            await asyncio.sleep(0.01)


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


async def test_a_killed_worker_is_forgotten_and_another_is_not(tmp_path: Path) -> None:
    entries, others = listed(tmp_path, DEAD), listed(tmp_path, LIVING)
    sign_in(tmp_path, LIVING)
    with sleeper() as worker:
        owner = process(worker.pid)
        assert owner is not None
        mark = card(tmp_path, DEAD, asdict(owner))
        async with watched(tmp_path):
            await asyncio.sleep(0.6)
            assert all(p.exists() for p in [*entries, mark]), "it lives"
            worker.kill()
            await gone([*entries, mark])
            assert all(p.exists() for p in others)


async def test_a_worker_that_died_before_the_frontend_came_is_forgotten(tmp_path: Path) -> None:
    entries = listed(tmp_path, DEAD)
    with sleeper() as worker:
        owner = process(worker.pid)
        worker.kill()
    assert owner is not None
    card(tmp_path, DEAD, asdict(owner))
    async with watched(tmp_path):
        await gone(entries)


async def test_a_process_that_got_its_number_later_is_another_one(tmp_path: Path) -> None:
    entries = listed(tmp_path, DEAD)
    me = process(os.getpid())
    assert me is not None
    card(tmp_path, DEAD, asdict(me) | {"started": me.started - 1})
    async with watched(tmp_path):
        await gone(entries)


@pytest.mark.parametrize(
    "content",
    [{"pid": 1 << 22, "started": 1, "space": 7}, {"pid": 1 << 22}, [], "x", {"pid": "1", "started": 1, "space": 2}],
    ids=["another container's", "half", "list", "text", "ill-typed"],
)
async def test_what_cannot_be_known_is_left_alone(tmp_path: Path, content: object) -> None:
    entries = listed(tmp_path, DEAD)
    card(tmp_path, DEAD, content)
    (tmp_path / CARDS / "not-hexadecimal").write_text("{}")
    async with watched(tmp_path):
        await asyncio.sleep(0.6)
    assert all(p.exists() for p in entries)
