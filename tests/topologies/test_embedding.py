"""Embeddings end to end: `armature up embedding +model=tiny-embedding`, asked over HTTP by the official client."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from armature.engine.cpu import activate
from support.deployed import Served, serve
from support.models import tiny
from support.reference import Vectors, prompts
from support.serving import tell

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("embedding"), cache, "embedding", "worker.control=true", model="tiny-embedding") as served:
        yield served


@pytest.fixture(scope="module")
def vectors(cache: Path) -> Vectors:
    activate()  # Hugging Face's modelling code imports torchvision, which needs the same stand-in
    return Vectors(tiny("tiny-embedding", cache))


def apart(a: list[float], b: list[float]) -> float:
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def test_vectors_of_ids_equal_hugging_face_in_their_order(embedding: Served, vectors: Vectors) -> None:
    asked = prompts(40)  # more than the engine computes at a time
    answer = embedding.client.embeddings.create(model=embedding.model, input=asked, encoding_format="float")
    assert [d.index for d in answer.data] == list(range(40))
    assert max(apart(d.embedding, vectors.of(ids)) for d, ids in zip(answer.data, asked, strict=True)) < 1e-5
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(map(len, asked))


def test_vectors_of_texts_equal_hugging_face(embedding: Served, vectors: Vectors) -> None:
    texts = ["hello world", "Привет, 世界", "a"]
    answer = embedding.client.embeddings.create(model=embedding.model, input=texts, encoding_format="float")
    assert max(apart(d.embedding, vectors.of(vectors.tokenizer(t).input_ids)) for d, t in zip(answer.data, texts, strict=True)) < 1e-5


def test_base64_says_the_same(embedding: Served) -> None:
    """The client asks for base64 unless it is told otherwise, and makes a list of it."""
    create = embedding.client.embeddings.create
    packed, plain = (create(model=embedding.model, input="hello", **more).data[0].embedding for more in ({}, {"encoding_format": "float"}))
    assert apart(packed, plain) < 1e-6


def test_fewer_dimensions_are_the_first_ones_normalized_again(embedding: Served) -> None:
    create = embedding.client.embeddings.create
    whole = create(model=embedding.model, input="hello", encoding_format="float").data[0].embedding
    short = create(model=embedding.model, input="hello", encoding_format="float", dimensions=16).data[0].embedding
    assert math.isclose(sum(x * x for x in whole), 1, rel_tol=1e-5)
    length = math.sqrt(sum(x * x for x in whole[:16]))
    assert apart(short, [x / length for x in whole[:16]]) < 1e-5


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"input": []}, "input is empty"),
        ({"input": ["a", ""]}, "input 1 is empty"),
        ({"input": "a", "dimensions": 129}, "dimensions is 129; expected from 1 to 128"),
        ({"input": ["a"] * 2049}, "input has 2049 texts; at most 2048 are allowed"),
        ({"input": "a " * 5000}, "this model's context length is 4096 tokens"),
    ],
    ids=str,
)
def test_a_refusal_names_the_field_and_the_limit(embedding: Served, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        embedding.client.embeddings.create(model=embedding.model, **asked)


def test_a_chat_is_answered_with_404(embedding: Served) -> None:
    with pytest.raises(openai.NotFoundError):
        embedding.client.chat.completions.create(model=embedding.model, messages=[{"role": "user", "content": "a"}])


async def test_requests_that_are_cancelled_leave_nothing(embedding: Served, vectors: Vectors) -> None:
    rng = random.Random(0)
    client = openai.AsyncOpenAI(base_url=f"{embedding.url}/v1", api_key="none", max_retries=0, timeout=120)
    gate = asyncio.Semaphore(32)

    async def one(number: int) -> bool:
        async with gate:
            task = asyncio.create_task(
                client.embeddings.create(model=embedding.model, input=[[20 + number % 300] * 40] * rng.choice((1, 30)))
            )
            if rng.random() < 0.5:
                await asyncio.sleep(rng.random() * 0.2)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return not task.cancelled() and task.exception() is None

    answered = await asyncio.gather(*map(one, range(1000)))
    assert 300 < sum(answered) < 1000
    async with asyncio.timeout(30):
        while (rank := tell(embedding.up, "worker-0", "load", {})["ranks"][0])["running"] or rank["waiting"]:
            await asyncio.sleep(0.2)
    last = await client.embeddings.create(model=embedding.model, input=[[5, 6, 7]], encoding_format="float")
    assert apart(last.data[0].embedding, vectors.of([5, 6, 7])) < 1e-5
