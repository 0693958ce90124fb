"""A real model answers in English: what the README promises, through each topology."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import Served, serve

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

MODEL = "smollm2-135m"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the model, which is fetched once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=["agg", "disagg"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp(request.param), cache, request.param, model=MODEL) as deployment:
        yield deployment


def test_it_knows_the_capital_of_france(served: Served) -> None:
    answer = served.client.chat.completions.create(model=served.model, messages=QUESTION, max_tokens=24, temperature=0)
    assert "Paris" in answer.choices[0].message.content


def test_the_second_run_fetches_nothing(served: Served) -> None:
    """agg runs first, in the same cache."""
    told = [e["detail"] for e in served.up.events() if e["node"] == "model"]
    assert any("up to date" in detail for detail in told) == (served.up.plan["name"].split("-")[0] == "disagg"), told
