"""Aggregated serving end to end: `armature up agg +model=tiny-qwen3`, asked over HTTP by the official client and curl."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import psutil
import pytest

from armature.config.compose import compose
from armature.models.tokenizer import VOCABULARY
from support.asked_http import IDS, streamed, unary
from support.reference import Reference, prompts
from support.serving import processes_of

pytestmark = pytest.mark.engine

CHAT = [{"role": "user", "content": "hello world"}]


@pytest.mark.parametrize("ask", [unary, streamed], ids=["unary", "streamed"])
def test_64_greedy_prompts_equal_hugging_face(agg: Any, reference: Reference, ask: Any) -> None:
    wanted = prompts(64)
    with ThreadPoolExecutor(8) as pool:
        served = list(pool.map(lambda p: ask(agg, p, 20), wanted))
    assert served == [reference.greedy(p, 20) for p in wanted]


def test_chat_goes_through_the_template(agg: Any, reference: Reference) -> None:
    answer = agg.client.chat.completions.create(model=agg.model, messages=CHAT, max_tokens=12, temperature=0, extra_body=IDS)
    prompt = reference.tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=False)
    ids = reference.tokenizer(prompt, add_special_tokens=False).input_ids
    assert answer.usage.prompt_tokens == len(ids)
    assert answer.nvext["completion_token_ids"] == reference.greedy(ids, 12)


def test_streamed_chat_says_the_same_as_unary(agg: Any) -> None:
    ask = {"model": agg.model, "messages": CHAT, "max_tokens": 12, "temperature": 0}
    whole = agg.client.chat.completions.create(**ask).choices[0].message.content
    chunks = list(agg.client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert chunks[-1].usage.completion_tokens == 12


def test_a_stop_string_ends_the_text_before_it(agg: Any) -> None:
    ask = {"model": agg.model, "prompt": [5, 6, 7], "max_tokens": 16, "temperature": 0}
    free = agg.client.completions.create(**ask).choices[0].text
    word = next(w for w in re.findall(r"[a-zA-Z]{3,}", free))
    stopped = agg.client.completions.create(**ask, stop=[word])
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].text == free[: free.index(word)]
    assert stopped.usage.completion_tokens < 16, "the engine went on after the stop string"


def test_n_gives_n_choices(agg: Any) -> None:
    answer = agg.client.completions.create(
        model=agg.model, prompt=[5, 6], n=2, max_tokens=6, temperature=1.0, extra_body={"ignore_eos": True}
    )
    assert [c.index for c in answer.choices] == [0, 1]
    assert answer.usage.completion_tokens == 12
    assert answer.usage.prompt_tokens == 2


def test_logprobs_are_those_of_hugging_face(agg: Any, reference: Reference) -> None:
    answer = agg.client.chat.completions.create(
        model=agg.model, messages=CHAT, max_tokens=5, temperature=0, logprobs=True, top_logprobs=3, extra_body=IDS
    )
    prompt = reference.tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=False)
    ids = reference.tokenizer(prompt, add_special_tokens=False).input_ids
    output = answer.nvext["completion_token_ids"]
    truth = reference.logprobs(ids, output)
    content = answer.choices[0].logprobs.content
    assert [c.logprob for c in content] == pytest.approx([float(truth[i, t]) for i, t in enumerate(output)], abs=1e-3)
    for position, c in enumerate(content):
        assert [t.logprob for t in c.top_logprobs] == pytest.approx(truth[position].topk(3).values.tolist(), abs=1e-3)


@pytest.mark.parametrize(("n", "temperature"), [(1, 0.0), (2, 1.0)])
def test_an_echoed_prompt_has_the_logprobs_of_hugging_face(agg: Any, reference: Reference, n: int, temperature: float) -> None:
    """Also of the token that ends a turn, which ends no text here."""
    ids = [*range(40, 60), reference.tokenizer.eos_token_id, *range(60, 80)]
    answer = agg.client.completions.create(model=agg.model, prompt=ids, n=n, echo=True, logprobs=3, max_tokens=1, temperature=temperature)
    truth = reference.logprobs(ids[:1], ids[1:])
    for choice in answer.choices:
        logprobs = choice.logprobs
        assert len(logprobs.token_logprobs) == len(ids) + 1
        assert logprobs.token_logprobs[0] is None
        assert logprobs.token_logprobs[1:-1] == pytest.approx([float(truth[i, t]) for i, t in enumerate(ids[1:])], abs=1e-3)
        for position, top in enumerate(logprobs.top_logprobs[1:-1]):
            assert max(top.values()) == pytest.approx(float(truth[position].max()), abs=1e-3)
        assert choice.text.startswith(reference.tokenizer.decode(ids, skip_special_tokens=True))
    assert answer.usage.prompt_tokens == len(ids)


SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


def test_a_json_schema_is_kept(agg: Any) -> None:
    answer = agg.client.chat.completions.create(
        model=agg.model,
        messages=CHAT,
        max_tokens=600,
        temperature=0.8,
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
    )
    text = answer.choices[0].message.content
    assert re.match(r'\s*\{\s*"ok"\s*:\s*(t|f)', text), text
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text)["ok"], bool)


@pytest.mark.parametrize(
    ("guide", "pattern"),
    [
        ({"guided_regex": "(yes|no)[0-9]{2}"}, r"(yes|no)[0-9]{2}"),
        ({"guided_choice": ["red", "green"]}, r"red|green"),
        ({"guided_grammar": 'root ::= "left" | "right"'}, r"left|right"),
    ],
    ids=["regex", "choice", "grammar"],
)
def test_a_grammar_is_kept(agg: Any, guide: dict[str, Any], pattern: str) -> None:
    answer = agg.client.chat.completions.create(model=agg.model, messages=CHAT, max_tokens=24, temperature=0.8, extra_body=guide)
    assert re.fullmatch(pattern, answer.choices[0].message.content)


def test_a_repeated_prompt_is_counted_as_cached(agg: Any) -> None:
    prompt = list(range(30, 130))
    for _ in range(2):
        answer = agg.client.completions.create(model=agg.model, prompt=prompt, max_tokens=1)
    assert answer.usage.prompt_tokens_details.cached_tokens >= 98


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"prompt": [5] * 5000}, "4096"),
        ({"prompt": [5], "extra_body": {"allowed_token_ids": [5]}}, "allowed_token_ids"),
    ],
    ids=["prompt too long", "passed on unread"],
)
def test_what_cannot_be_done_is_a_400_with_the_reason(agg: Any, body: dict[str, Any], reason: str) -> None:
    with pytest.raises(openai.BadRequestError, match=reason):
        agg.client.completions.create(model=agg.model, max_tokens=4, **body)


def test_an_unknown_model_is_a_404(agg: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        agg.client.chat.completions.create(model="nobody", messages=CHAT)


def test_the_model_is_listed(agg: Any) -> None:
    assert [m.id for m in agg.client.models.list()] == ["tiny-qwen3"]


def test_curl_streams(agg: Any) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    body = json.dumps({"model": agg.model, "messages": CHAT, "max_tokens": 4, "stream": True})
    out = subprocess.run(
        ["curl", "-sN", f"{agg.url}/v1/chat/completions", "-H", "content-type: application/json", "-d", body],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    events = [line.removeprefix("data: ") for line in out.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert all(json.loads(e)["object"] == "chat.completion.chunk" for e in events[:-1])


def test_metrics_of_frontend_and_worker_answer(agg: Any) -> None:
    ports = {n["name"]: n["ports"] for n in agg.up.plan["nodes"]}
    for url in (f"{agg.url}/metrics", f"http://127.0.0.1:{ports['worker-0']['system']['first']}/metrics"):
        assert "# TYPE" in urllib.request.urlopen(url, timeout=10).read().decode()


def test_the_tiny_models_vocabulary_is_the_tokenizers() -> None:
    shape = compose(["model=tiny-qwen3"]).deployment.model.shape
    assert shape is not None
    assert shape.vocab_size == VOCABULARY


def test_a_scheduler_freezes_its_objects_before_it_serves(agg: Any) -> None:
    log = (agg.up.run_dir / "logs" / "worker-0.log").read_text()
    told = re.search(r"garbage collection: froze (\d+) objects", log)
    assert told and int(told[1]) > 100_000, "SGLang alone imports more"


def test_nothing_listens_beyond_loopback(agg: Any) -> None:
    listening = [
        (process.name(), connection.laddr.ip, connection.laddr.port)
        for process in processes_of(agg.up)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3, "the run's listeners were not found"
    assert [entry for entry in listening if entry[1] != "127.0.0.1"] == []
