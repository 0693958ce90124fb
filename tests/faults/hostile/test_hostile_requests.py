"""A minute of hostile requests, with ordinary ones among them: `python -m benchmarks.soak.hostile` is the same for twenty."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import Served, serve
from support.hostile import judge, mix
from support.hostile.fields import missing
from support.hostile.oracle import Case, cases
from support.hostile.target import Target
from support.hostile.watch import Watch, started
from support.models import tiny
from support.reference import Reference, prompts

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

SECONDS = 60.0
TARGET = Target("tiny-qwen3")


@pytest.fixture(scope="module")
def ordinary(cache: Path) -> list[Case]:
    from armature.engine.cpu import activate

    activate()  # Hugging Face's modelling code imports torchvision, which needs the same stand-in
    return cases(Reference(tiny(TARGET.model, cache)), TARGET, prompts(12, longest=1500))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("hostile"), cache, "agg", "experiment=two_workers") as deployment:
        yield deployment


def test_the_generator_knows_every_field_that_the_frontend_lists(served: Served) -> None:
    with urllib.request.urlopen(f"{served.url}/openapi.json") as answer:
        assert missing(json.load(answer), TARGET) == {}


def test_a_minute_of_hostile_requests_breaks_no_promise(served: Served, ordinary: list[Case]) -> None:
    """Each field of the API once, then whatever the seed brings. Memory is judged by the long run only."""
    seed = int(os.environ.get("HOSTILE_SEED", "0"))
    watch = Watch(started(served.up.events()))
    log = asyncio.run(mix.run(served.url, TARGET, ordinary, watch, mix.Attack(SECONDS, seed)))
    record = judge.record(log, watch, memory=False)
    print(json.dumps({name: record[name] for name in ("seed", "hostile_sent", "outcomes", "seconds_of_ordinary", "examples")}, indent=1))
    assert record["broken"] == [], json.dumps(judge.reproductions(log)[:3], indent=1)[:20_000]
