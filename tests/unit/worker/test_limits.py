"""No number, size or count of a request reaches the engine that was not compared with a limit."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from armature.engine.types import EngineInfo
from armature.limits import RequestLimits
from armature.messages.pooling import PoolingRequest
from armature.messages.tokens import Bootstrap, GenerateRequest, Guide, GuideKind, Sampling
from armature.runtime import wire
from armature.runtime.shape import SHAPE
from armature.worker import nesting
from armature.worker.limits import GUIDE_FIELDS, Bounds, check, check_embedding, check_guide

LIMITS = RequestLimits(outputs=4, stop_strings=2, stop_bytes=8, stop_token_ids=6, guide_bytes=200, guide_nesting=5, guide_choices=3)
INFO = EngineInfo(64, 1, 128, 8, 64, dp_size=2, load_seconds=0.0, vocab_size=300)
BOUNDS = Bounds(INFO, LIMITS)

NUMBERS = st.one_of(
    st.integers(),
    st.integers(-3, 400),
    st.sampled_from([2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63, 2**64, 10**30, 299, 300]),
    st.floats(),
    st.floats(-3, 3, width=32),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e-320, 1e-46, 1e39]),
)
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(["(" * 9, "[" * 300, "a" * 300, '{"a": [[[[[[]]]]]]}', "{}", "\ud800"]))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)
FITTING = {"token_ids": st.lists(st.integers(0, 299), min_size=1, max_size=80)}


def requests_of(shape: Any) -> st.SearchStrategy[Any]:
    """Objects with the fields of `shape`, each of them anything, or something of the right kind."""
    if not isinstance(shape, dict):
        kinds = (NUMBERS, TEXTS, st.lists(NUMBERS, max_size=8), st.lists(TEXTS, max_size=5), st.booleans(), st.binary(max_size=12))
        return st.one_of(*kinds, ANYTHING)
    return st.fixed_dictionaries({}, optional={name: requests_of(inner) for name, inner in shape.items()})


REQUESTS = st.builds(lambda any_of_it, ids: any_of_it | ids, requests_of(SHAPE), st.fixed_dictionaries({}, optional=FITTING))


@settings(max_examples=1000, deadline=None)
@given(REQUESTS)
@example({"token_ids": [1], "stop_conditions": {"stop_token_ids": [999999], "min_tokens": 2}})
@example({"token_ids": [1], "sampling_options": {"repetition_penalty": 1e-40}})
@example({"token_ids": [1], "stop_conditions": {"min_tokens": 2**40}})
@example({"token_ids": [1], "stop_conditions": {"stop": "abc"}})
def test_a_request_is_refused_or_lies_within_every_limit(raw: dict[str, Any]) -> None:
    refused = ""
    try:
        read = check(wire.read_request(raw, "r"), BOUNDS)
    except wire.Unsupported as e:
        refused = str(e)
    if refused:
        assert len(refused) < 500
        return
    s = read.sampling
    room = INFO.context_length - len(read.token_ids)
    assert 0 < len(read.token_ids) < INFO.context_length
    assert all(type(t) is int and 0 <= t < INFO.vocab_size for t in (*read.token_ids, *s.stop_token_ids))
    assert len(s.stop_token_ids) <= LIMITS.stop_token_ids
    assert s.max_tokens is None or 0 <= s.max_tokens <= room
    assert s.min_tokens is None or 0 <= s.min_tokens <= (room if s.max_tokens is None else s.max_tokens)
    for value, low, high in (
        (s.temperature, 0, 2),
        (s.top_p, 0.9e-6, 1),
        (s.min_p, 0, 1),
        (s.frequency_penalty, -2, 2),
        (s.presence_penalty, -2, 2),
        (s.repetition_penalty, 0.9e-3, 2),
    ):
        assert value is None or (math.isfinite(value) and low <= value <= high)
    assert s.top_k is None or s.top_k == -1 or 1 <= s.top_k < 2**31
    assert s.seed is None or (s.seed >= -(2**63) and s.seed + s.n <= 2**63)
    assert 1 <= s.n <= LIMITS.outputs
    assert read.logprobs is None or 0 <= read.logprobs <= LIMITS.top_logprobs
    assert read.dp_rank in (None, 0, 1) and (read.prefill_dp_rank is None or 0 <= read.prefill_dp_rank < 2**15)
    assert read.priority is None or -(2**31) <= read.priority < 2**31
    assert len(s.stop) <= LIMITS.stop_strings and all(0 < len(text.encode()) <= LIMITS.stop_bytes for text in s.stop)
    if s.guide:
        assert len(s.guide.text.encode()) + sum(len(c.encode()) for c in s.guide.choices) <= LIMITS.guide_bytes
        assert len(s.guide.choices) <= LIMITS.guide_choices
    if read.bootstrap:
        assert 0 <= read.bootstrap.port < 2**16 and 0 <= read.bootstrap.room < 2**63


def test_every_number_of_a_request_has_a_range() -> None:
    """A number that is added to a request, and not here, would reach the engine unchecked."""
    assert numbers(Sampling) == set(BOUNDS.sampling)
    assert numbers(GenerateRequest) - {"sent"} == set(BOUNDS.request)  # `sent` is counted here
    assert numbers(Bootstrap) == set(BOUNDS.bootstrap)
    assert set(GUIDE_FIELDS) == set(get_args(GuideKind))


def numbers(kind: type) -> set[str]:
    return {f.name for f in fields(kind) if {"int", "float"} & set(str(f.type).split(" | "))}


def asked(**changes: Any) -> GenerateRequest:
    own = {name: changes.pop(name) for name in tuple(changes) if name in GenerateRequest.__dataclass_fields__}
    return GenerateRequest(**{"request_id": "r", "token_ids": [5, 6], "sampling": Sampling(**changes)} | own)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stop_token_ids": (999999,)}, "stop_token_ids has the token id 999999; this model's are from 0 to 299"),
        ({"token_ids": [5, -1]}, "the prompt has the token id -1"),
        ({"temperature": math.nan}, "temperature is nan; expected from 0 to 2"),
        ({"repetition_penalty": 1e-30}, "repetition_penalty is 1e-30; expected from 0.001 to 2"),
        ({"top_k": 2**40}, "top_k is 1099511627776; expected from 1 to 1073741824, or -1"),
        ({"seed": 2**63 - 2, "n": 3}, r"seed \(9223372036854775806\) is too large for 3 outputs; expected at most 9223372036854775805"),
        ({"seed": 10**5000}, "seed is an integer of more than 64 bits"),
        ({"min_tokens": 5, "max_tokens": 4}, r"min_tokens \(5\) is more than max_tokens \(4\)"),
        ({"min_tokens": 80}, "min_tokens=80 exceed this model's context length of 64"),
        ({"max_tokens": 63}, "max_tokens=63 exceed this model's context length of 64"),
        ({"token_ids": [5] * 64}, "the prompt has 64 tokens; this model's context length is 64"),
        ({"n": 5}, "n is 5; expected from 1 to 4"),
        ({"logprobs": 21}, "logprobs is 21; expected from 0 to 20"),
        ({"dp_rank": 2}, "dp_rank is 2; expected from 0 to 1"),
        ({"priority": 2**31}, "priority is 2147483648"),
        ({"stop": ("a", "b", "c")}, "stop has 3 strings; at most 2"),
        ({"stop": ("",)}, "stop has an empty string"),
        ({"stop": ("é" * 5,)}, "stop has a string of 10 bytes; at most 8"),
        ({"guide": Guide("regex", "")}, "guided_regex is empty"),
        ({"guide": Guide("regex", "a" * 201)}, "guided_regex has 201 bytes; at most 200"),
        ({"guide": Guide("regex", "(" * 6 + ")" * 6)}, "guided_regex nests 6 levels deep; at most 5"),
        ({"guide": Guide("choice", choices=("a",) * 4)}, "guided_choice has 4 choices; at most 3"),
        ({"guide": Guide("json_schema", "[1")}, "guided_json .* is not a JSON document"),
        ({"guide": Guide("regex", "a+"), "ignore_eos": True}, "ignore_eos cannot be used with guided_regex"),
        ({"bootstrap": Bootstrap("h", 1, 2**63)}, "bootstrap_room is an integer of more than 64 bits"),
    ],
)
def test_a_refusal_names_the_field_and_the_limit(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(wire.Unsupported, match=said):
        check(asked(**changes), BOUNDS)


def test_an_engine_of_first_tokens_is_not_told_the_clients_max_tokens() -> None:
    check(asked(min_tokens=5, max_tokens=1), Bounds(INFO, LIMITS, first_token_only=True))


@pytest.mark.parametrize("field", ["temperature", "top_p", "min_p", "repetition_penalty"])
def test_the_smallest_value_passes_as_a_32_bit_number(field: str) -> None:
    import struct

    low = BOUNDS.sampling[field].low
    check(asked(**{field: struct.unpack("f", struct.pack("f", low))[0]}), BOUNDS)


def test_an_engine_that_truncates_is_given_what_is_too_long() -> None:
    truncating = Bounds(EngineInfo(64, 1, 128, 8, 64, 1, 0.0, vocab_size=300, truncates=True), LIMITS)
    check(asked(token_ids=[5] * 100, max_tokens=100), truncating)


@pytest.mark.parametrize(
    ("depth", "text"),
    [(0, "a"), (2, "(a(b))(c)"), (1, r"(\(\()"), (1, "([(((])"), (0, "[" * 30000), (0, "\\" * 30001), (9, "(" * 9)],
)
def test_groups_of_a_regular_expression(depth: int, text: str) -> None:
    assert nesting.of_regex(text) == depth


def test_groups_of_a_grammar_and_containers_of_a_document() -> None:
    assert nesting.of_ebnf('root ::= ("((" | [(] | (x)) # (((\nx ::= "\\"(("') == 2
    assert nesting.of_ebnf('"' * 30001) == 0
    assert nesting.of_json('{"a": [{"b": 1}], "text": "((("}') == 3
    assert nesting.of_json('{"pattern": "((((x))))"}') == 4
    assert nesting.of_json("1") == 0
    with pytest.raises(ValueError, match="too deep"):
        nesting.of_json("[" * 100_000 + "]" * 100_000)


def test_what_users_send_is_allowed_by_default() -> None:
    """A schema as tools have them, with as much of it as fits."""
    prop = {"type": "object", "properties": {"x": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"enum": ["a", "b"]}]}}}}
    schema = {"type": "object", "properties": {f"field_{i}": prop for i in range(200)}}
    check_guide(Guide("json_schema", json.dumps(schema)), RequestLimits())
    check_guide(Guide("choice", choices=tuple(f"choice {i}" for i in range(1000))), RequestLimits())


@pytest.mark.parametrize(
    ("inputs", "dimensions", "said"),
    [
        ([[1]] * 5, None, "input has 5 texts; at most 4 are allowed"),
        ([[1]], 9, "dimensions is 9; expected from 1 to 8"),
        ([[1]], 0, "dimensions is 0; expected from 1 to 8"),
        ([[1], [5] * 65], None, "input 1 has 65 tokens; this model's context length is 64 tokens"),
        ([[1], [300]], None, "input 1 has the token id 300; this model's are from 0 to 299"),
    ],
)
def test_an_embedding_request_beyond_a_limit_is_refused(inputs: list[list[int]], dimensions: int | None, said: str) -> None:
    bounds = Bounds(replace(INFO, width=8), RequestLimits(inputs=4))
    with pytest.raises(wire.Unsupported, match=said):
        check_embedding(PoolingRequest("r", inputs, dimensions), bounds)
    check_embedding(PoolingRequest("r", [[1], [5] * 64], 8), bounds)
