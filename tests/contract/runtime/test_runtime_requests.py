"""What the runtime's frontend makes of OpenAI requests: the facts on which `armature.runtime.wire` stands."""

from __future__ import annotations

from typing import Any

import pytest
from processes import NAME, Pair, call, chat

from armature.runtime import wire

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def sent(pair: Pair, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The raw requests that reached the worker for one call, which must succeed."""
    before = len(pair.worker.events("request"))
    answer = call(pair.frontend.port, path, body)
    assert answer.status == 200, answer.body
    return [e["raw"] for e in pair.worker.events("request")[before:]]


def sent_chat(pair: Pair, **more: Any) -> dict[str, Any]:
    (raw,) = sent(pair, "/v1/chat/completions", chat(**more))
    return raw


def completion(**more: Any) -> dict[str, Any]:
    return {"model": NAME, "prompt": "hi", "max_tokens": 2, **more}


def test_chat_is_rendered_and_tokenized(pair: Pair) -> None:
    raw = sent_chat(pair)
    assert raw["token_ids"][0] == 1 and 2 in raw["token_ids"]
    assert raw["stop_conditions"]["max_tokens"] == 4
    assert raw["eos_token_ids"] == [2] and raw["stop_conditions"]["stop_token_ids_hidden"] == [2]


def test_a_prompt_arrives_packed(pair: Pair) -> None:
    """As a list, each token would be an object before the worker has looked at the prompt's length."""
    sent_chat(pair)
    assert pair.worker.events("request")[-1]["packed"]


def test_absent_max_tokens_is_null(pair: Pair) -> None:
    assert sent_chat(pair, max_tokens=None)["stop_conditions"]["max_tokens"] is None
    assert sent_chat(pair, max_tokens=None, max_completion_tokens=3)["stop_conditions"]["max_tokens"] == 3


def test_sampling_options_arrive_as_32_bit_numbers(pair: Pair) -> None:
    raw = sent_chat(
        pair, temperature=0.5, top_p=0.9, top_k=5, min_p=0.1, seed=7, presence_penalty=0.1, frequency_penalty=0.2, repetition_penalty=1.1
    )
    read = wire.read_request(raw, "r").sampling
    assert (read.temperature, read.top_k, read.seed) == (0.5, 5, 7)
    assert read.top_p == pytest.approx(0.9, rel=1e-6) and read.min_p == pytest.approx(0.1, rel=1e-6)
    assert read.presence_penalty == pytest.approx(0.1, rel=1e-6) and read.frequency_penalty == pytest.approx(0.2, rel=1e-6)
    assert read.repetition_penalty == pytest.approx(1.1, rel=1e-6)


def test_stop_strings_and_ids(pair: Pair) -> None:
    assert wire.read_request(sent_chat(pair, stop="x"), "r").sampling.stop == ("x",)
    read = wire.read_request(sent_chat(pair, stop=["x", "yy"], stop_token_ids=[5]), "r").sampling
    assert read.stop == ("x", "yy") and read.stop_token_ids == (5, 2)


def test_ignore_eos_and_min_tokens(pair: Pair) -> None:
    raw = sent_chat(pair, ignore_eos=True, min_tokens=2)
    assert raw["eos_token_ids"] == [] and raw["stop_conditions"]["stop_token_ids_hidden"] is None
    read = wire.read_request(raw, "r").sampling
    assert read.ignore_eos and read.min_tokens == 2 and read.stop_token_ids == ()


@pytest.mark.parametrize(
    ("asked", "arrives"),
    [
        ({}, None),
        ({"logprobs": False}, None),
        ({"logprobs": True}, 1),
        ({"logprobs": True, "top_logprobs": 3}, 3),
        ({"top_logprobs": 3}, None),
    ],
)
def test_logprobs_of_a_chat(pair: Pair, asked: dict[str, Any], arrives: int | None) -> None:
    assert wire.read_request(sent_chat(pair, **asked), "r").logprobs == arrives


@pytest.mark.parametrize("asked", [0, 2])
def test_logprobs_of_a_completion(pair: Pair, asked: int) -> None:
    (raw,) = sent(pair, "/v1/completions", completion(logprobs=asked))
    assert wire.read_request(raw, "r").logprobs == asked


@pytest.mark.parametrize(
    ("asked", "kind", "text"),
    [
        ({"response_format": {"type": "text"}}, None, ""),
        ({"response_format": {"type": "json_object"}}, "json_schema", '{"type": "object"}'),
        ({"guided_regex": "[ab]+"}, "regex", "[ab]+"),
        ({"guided_grammar": 'root ::= "a"'}, "ebnf", 'root ::= "a"'),
        ({"guided_choice": ["a", "b"]}, "choice", ""),
    ],
)
def test_guides(pair: Pair, asked: dict[str, Any], kind: str | None, text: str) -> None:
    guide = wire.read_request(sent_chat(pair, **asked), "r").sampling.guide
    assert (guide.kind if guide else None) == kind
    assert (guide.text if guide else "") == text


@pytest.mark.parametrize(
    "asked",
    [{"guided_json": SCHEMA}, {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}}],
)
def test_json_schemas(pair: Pair, asked: dict[str, Any]) -> None:
    raw = sent_chat(pair, **asked)
    assert raw["sampling_options"]["guided_decoding"]["json"] == SCHEMA


def test_each_prompt_of_a_completion_is_a_request_with_its_own_id(pair: Pair) -> None:
    before = len(pair.worker.events("request"))
    answer = call(pair.frontend.port, "/v1/completions", completion(prompt=["hi", "ho"]))
    assert [c["index"] for c in answer.json["choices"]] == [0, 1]
    assert len({e["id"] for e in pair.worker.events("request")[before:]}) == 2


def test_prompt_as_ids_is_passed_on(pair: Pair) -> None:
    (raw,) = sent(pair, "/v1/completions", completion(prompt=[5, 6, 7]))
    assert raw["token_ids"] == [5, 6, 7]


@pytest.mark.parametrize("field", ["logit_bias", "suffix"])
def test_fields_that_the_frontend_drops(pair: Pair, field: str) -> None:
    """Known gap of the runtime, said in the docs: it neither refuses these nor passes them on."""
    value = {"5": 1} if field == "logit_bias" else "x"
    path, body = ("/v1/chat/completions", chat) if field == "logit_bias" else ("/v1/completions", completion)
    (raw,) = sent(pair, path, body(**{field: value}))
    assert field not in str(raw)


def test_an_empty_list_of_choices_is_dropped_by_the_frontend(pair: Pair) -> None:
    """Known gap of the runtime, said in the docs: the worker cannot refuse what it never sees."""
    assert sent_chat(pair, guided_choice=[])["sampling_options"]["guided_decoding"] is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"guided_regex": ""}, "guided_regex is empty"),
        ({"guided_grammar": ""}, "guided_grammar is empty"),
        ({"guided_regex": "a" * 60_000}, "guided_regex has 60000 bytes; at most 32768 are allowed"),
        ({"guided_choice": ["a"] * 2000}, "guided_choice has 2000 choices; at most 1024 are allowed"),
        ({"stop": ["a" * 300]}, "stop has a string of 300 bytes; at most 256 are allowed"),
        ({"stop_token_ids": [999999], "min_tokens": 2}, "stop_token_ids has the token id 999999"),
        ({"repetition_penalty": 1e-38}, "repetition_penalty is 1e-38; expected from 0.001 to 2"),
        ({"seed": 2**63 - 1, "n": 3}, "is too large for 3 outputs"),
        ({"max_tokens": 100_000}, "exceed this model's context length of 4096 tokens"),
    ],
)
def test_what_the_engine_cannot_take_is_a_400_with_the_fields_name(pair: Pair, asked: dict[str, Any], said: str) -> None:
    before = len(pair.worker.events("end"))
    answer = call(pair.frontend.port, "/v1/chat/completions", chat(**asked))
    assert answer.status == 400 and said in answer.body, answer.body
    assert len(pair.worker.events("end")) == before, "the engine saw it"


@pytest.mark.parametrize("unknown", [{"foo": 1}, {"use_beam_search": True}, {"structural_tag": {}}, {"priority": 2}, {"nvext": {"foo": 1}}])
def test_unknown_fields_are_refused_by_the_frontend(pair: Pair, unknown: dict[str, Any]) -> None:
    answer = call(pair.frontend.port, "/v1/chat/completions", chat(**unknown))
    assert answer.status == 400 and next(iter(unknown.get("nvext", unknown))) in answer.body


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v1/completions", completion(echo=True), "echo"),
        ("/v1/completions", completion(echo=True, logprobs=1, stop="x"), "echo together with stop"),
        ("/v1/completions", completion(prompt_logprobs=2), "prompt_logprobs"),
        ("/v1/chat/completions", chat(prompt_logprobs=2), "prompt_logprobs"),
        ("/v1/completions", completion(best_of=3, n=2), "best_of"),
        ("/v1/chat/completions", chat(include_stop_str_in_output=True), "include_stop_str_in_output"),
        ("/v1/chat/completions", chat(guided_regex="a", guided_whitespace_pattern=" "), "guided_whitespace_pattern"),
        ("/v1/chat/completions", chat(nvext={"max_thinking_tokens": 5}), "max_thinking_tokens"),
    ],
)
def test_what_no_worker_does_is_refused_with_its_name(pair: Pair, path: str, body: dict[str, Any], says: str) -> None:
    answer = call(pair.frontend.port, path, body)
    assert answer.status == 400, answer.body
    assert says in answer.json["message"]
