"""Prefill and decode in separate engines, and data-parallel ranks: `armature up TOPOLOGY +model=tiny-qwen3` over HTTP.

Each deployment is started once, in turn: a machine for tests has room for four engines.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from support.asked_http import streamed, unary
from support.serving import processes_of
from topologies.conftest import Served, serve

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

LEGS = ("disagg", "disagg_router")
Truth = list[tuple[list[int], list[int]]]


@pytest.fixture(scope="module", params=["disagg", "disagg_router", "dp", "dp_attention"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp(request.param), cache, request.param) as deployment:
        yield deployment


@pytest.fixture
def legs(served: Served) -> Served:
    """A deployment whose prefill and decode are separate."""
    if not any(n["label"] == "prefill" for n in served.up.plan["nodes"]):
        pytest.skip("one engine does both here")
    return served


@pytest.fixture
def ranks(served: Served) -> Served:
    """A deployment of one worker with two data-parallel ranks that compute independently."""
    if served.up.plan["name"].split("-")[0] != "dp":
        pytest.skip("its ranks do not compute independently of each other, or there is one only")
    return served


def test_128_greedy_prompts_equal_hugging_face(served: Served, truth: Truth) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda case: unary(served, case[0], len(case[1]) if len(case[1]) < 12 else 12), truth))
    assert answers == [expected for _, expected in truth]


def test_streams_say_the_same(served: Served, truth: Truth) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda case: streamed(served, case[0], 12), truth[:32]))
    assert answers == [expected for _, expected in truth[:32]]


def test_a_json_schema_is_kept(served: Served) -> None:
    answer = served.client.chat.completions.create(
        model=served.model,
        messages=[{"role": "user", "content": "hello"}],
        max_tokens=24,
        temperature=0.8,
        extra_body={"guided_regex": "(yes|no)[0-9]{2}"},
    )
    assert answer.choices[0].message.content[-2:].isdigit()


def test_an_idle_deployment_leaves_the_cores_alone(served: Served) -> None:
    """SGLang's data-parallel controller alone would take one of them."""

    def used_s() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes_of(served.up))

    before = used_s()
    time.sleep(2)
    assert used_s() - before < 0.5 * 2


def test_a_least_length_is_kept(served: Served) -> None:
    """A prefill leg is asked for one token, and for the client's min_tokens none the less."""
    answer = served.client.completions.create(model=served.model, prompt=[5, 6], max_tokens=9, temperature=0, extra_body={"min_tokens": 9})
    assert answer.usage.completion_tokens == 9


def test_a_least_length_beyond_the_greatest_is_a_400(served: Served) -> None:
    with pytest.raises(openai.BadRequestError, match="min_tokens"):
        served.client.completions.create(model=served.model, prompt=[5, 6], max_tokens=4, extra_body={"min_tokens": 5})


def test_a_guide_that_allows_no_token_is_a_400(legs: Served) -> None:
    """Engines that only prefill or only decode call it their own error, and which of them is first differs."""
    more = {"guided_json": {"oneOf": []}, "min_tokens": 8}
    for _ in range(10):
        with pytest.raises(openai.BadRequestError, match="no token is allowed next"):
            legs.client.completions.create(model=legs.model, prompt=[5, 6, 7], max_tokens=8, extra_body=more)


@pytest.mark.parametrize(
    ("body", "reason"),
    [({"n": 2, "temperature": 1.0}, "send n requests"), ({"echo": True, "logprobs": 1}, "echo"), ({"prompt": [5] * 5000}, "4096")],
    ids=["n", "prompt logprobs", "prompt too long"],
)
def test_what_a_pair_cannot_do_is_a_400_with_the_reason(legs: Served, body: dict[str, Any], reason: str) -> None:
    with pytest.raises(openai.BadRequestError, match=reason):
        legs.client.completions.create(**{"model": legs.model, "prompt": [5, 6], "max_tokens": 4, **body})


@pytest.mark.parametrize("rank", [0, 1])
def test_the_rank_that_a_client_names_does_the_work(ranks: Served, rank: int) -> None:
    """Each rank has a prefix cache of its own. A rank is one of a worker's, so a client that names it names the worker, too."""
    with urllib.request.urlopen(f"{ranks.url}/health", timeout=10) as answer:
        worker = json.load(answer)["instances"][0]["instance_id"]
    prompt = [30 + (7 * rank + 3) * i % 300 for i in range(64)]

    def cached(on: int) -> int:
        """How many of the prompt's tokens rank `on` has in its cache."""
        body = {"nvext": {"backend_instance_id": worker, "dp_rank": on}}
        answer = ranks.client.completions.create(model=ranks.model, prompt=prompt, max_tokens=1, extra_body=body)
        return answer.usage.prompt_tokens_details.cached_tokens or 0

    assert cached(on=rank) < 10
    assert cached(on=rank) > 60
    assert cached(on=1 - rank) < 10


def test_every_pair_was_probed_before_the_run_was_ready(legs: Served) -> None:
    results = json.loads((legs.up.run_dir / "results/pairs.json").read_text())
    nodes = legs.up.plan["nodes"]
    names = [[n["name"] for n in nodes if n["label"] == leg] for leg in ("prefill", "decode")]
    assert [(r["prefill"], r["decode"], r["error"]) for r in results] == [(p, d, None) for p in names[0] for d in names[1]]
