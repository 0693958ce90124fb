"""The router's view of data-parallel ranks, which have a cache each."""

from __future__ import annotations

import random
from typing import Any

import pytest
from settling import settled

from support.caches import random_requests, router

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def test_each_rank_has_an_index_of_its_own(ranks: Any) -> None:
    random_requests(ranks, 150, seed=7)
    settled(ranks)
    assert len(router(ranks.up)) == 2


def test_a_prompt_goes_to_the_rank_that_has_it(ranks: Any) -> None:
    rng = random.Random(8)
    prompts = [[rng.randrange(20, 400) for _ in range(100)] for _ in range(10)]
    places = [place(ranks, p) for p in prompts]
    assert {rank for rank, _ in places} == {0, 1}
    settled(ranks)
    assert [place(ranks, p) for p in prompts] == [(rank, 96) for rank, _ in places]


def place(served: Any, prompt: list[int]) -> tuple[int, int]:
    """The rank that answered, and how many of the prompt's tokens it had cached."""
    extra = {"nvext": {"extra_fields": ["worker_id"]}}
    answer = served.client.completions.create(model=served.model, prompt=prompt, max_tokens=1, temperature=0, extra_body=extra)
    details = answer.usage.prompt_tokens_details
    return answer.nvext["worker_id"]["decode_dp_rank"], (details and details.cached_tokens) or 0
