"""The runtime's dicts: read and written."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.messages.tokens import Bootstrap, GenerateRequest, Guide, Sampling
from armature.runtime import wire


def request(**sections: Any) -> dict[str, Any]:
    return {"token_ids": [5, 6], **sections}


def read(**sections: Any) -> GenerateRequest:
    return wire.read_request(request(**sections), "r")


def test_an_empty_request_asks_for_nothing_special() -> None:
    nulls = {"stop_conditions": {"max_tokens": None, "stop": None}, "sampling_options": {"n": None, "guided_decoding": None}}
    assert read(**nulls) == GenerateRequest("r", [5, 6])


def test_every_field_is_read() -> None:
    got = read(
        stop_conditions={"max_tokens": 9, "min_tokens": 2, "stop": ["a", "b"], "stop_token_ids": [9]},
        sampling_options={
            "n": 2,
            "best_of": 2,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 4,
            "min_p": 0.1,
            "frequency_penalty": 0.2,
            "presence_penalty": 0.3,
            "repetition_penalty": 1.1,
            "seed": 7,
            "guided_decoding": {"regex": "a+"},
        },
        output_options={"logprobs": 0},
        routing={"dp_rank": 1, "prefill_dp_rank": 3, "priority": 5},
        bootstrap_info={"bootstrap_host": "10.0.0.1", "bootstrap_port": 8998, "bootstrap_room": 2**62, "handoff_id": b"x"},
        eos_token_ids=[2],
    )
    sampling = Sampling(9, 2, 0.5, 0.9, 4, 0.1, 0.2, 0.3, 1.1, 7, 2, ("a", "b"), (9, 2), False, Guide("regex", "a+"))
    assert got == GenerateRequest("r", [5, 6], sampling, 0, 1, 5, Bootstrap("10.0.0.1", 8998, 2**62), 3)


def test_a_leg_that_handed_over_says_where_the_legs_met() -> None:
    chunk = wire.handed_over(Bootstrap("h", 1, 2), {"prompt_tokens": 3})
    assert chunk["disaggregated_params"] == {"bootstrap_host": "h", "bootstrap_port": 1, "bootstrap_room": 2}
    assert (chunk["token_ids"], chunk["completion_usage"]) == ([], {"prompt_tokens": 3})


def test_end_tokens_stop_unless_ignored() -> None:
    stops = {"stop_token_ids": [9], "stop_token_ids_visible": [8], "stop_token_ids_hidden": [2, 9]}
    assert read(stop_conditions=stops, eos_token_ids=[2, 3]).sampling.stop_token_ids == (9, 8, 2, 3)
    ignoring = read(stop_conditions={**stops, "ignore_eos": True}, eos_token_ids=[2, 3]).sampling
    assert ignoring.stop_token_ids == (9, 8) and ignoring.ignore_eos


@pytest.mark.parametrize("pack", [list, lambda ids: struct.pack("<3i", *ids), lambda ids: memoryview(struct.pack("<3i", *ids))])
def test_token_ids_as_list_or_bytes(pack: Any) -> None:
    assert wire.read_token_ids(pack([1, 70_000, 3])) == [1, 70_000, 3]
    assert wire.prompt_length(request(token_ids=pack([1, 70_000, 3]))) == 3


@pytest.mark.parametrize("empty", [None, [], b""])
def test_an_empty_prompt_is_refused(empty: Any) -> None:
    with pytest.raises(wire.Unsupported, match="prompt is empty"):
        wire.read_token_ids(empty)


@pytest.mark.parametrize(("section", "field"), [(s, f) for s, fields in wire.REFUSED.items() for f in fields])
def test_what_is_not_done_is_refused_when_set(section: str, field: str) -> None:
    with pytest.raises(wire.Unsupported):
        read(**{field: [1]} if section == "" else {section: {field: 1}})
    read(**{field: None} if section == "" else {section: {field: None}})


@pytest.mark.parametrize("section", ["sampling_options", "stop_conditions", "output_options"])
def test_what_nobody_reads_is_refused_by_its_name(section: str) -> None:
    """A later runtime may pass on more than this worker knows of."""
    with pytest.raises(wire.Unsupported, match="brand_new is not supported"):
        read(**{section: {"brand_new": 1}})
    read(**{section: {"brand_new": None}})


@given(st.dictionaries(st.text(min_size=1), st.integers() | st.lists(st.integers()) | st.booleans(), min_size=1, max_size=3))
def test_what_the_frontend_hands_through_is_refused_by_its_name(passed: dict[str, Any]) -> None:
    with pytest.raises(wire.Unsupported) as refused:
        read(extra_args={"sampling_options": passed})
    assert any(str(refused.value) == f"{field} is not supported" for field in passed)


def test_what_the_frontend_hands_through_is_not_refused_when_it_changes_nothing() -> None:
    read(extra_args={"sampling_options": {"detokenize": True, "allowed_token_ids": None}})
    read(extra_args={"nvext": {"extra_fields": ["timing"]}})


def test_echo_with_logprobs() -> None:
    got = read(output_options={"logprobs": 0, "prompt_logprobs": 1})
    assert got.echo and got.logprobs == 0


@pytest.mark.parametrize(
    ("output", "stops", "says"),
    [
        ({"prompt_logprobs": 1}, {}, "echo without logprobs"),
        ({"prompt_logprobs": 3, "logprobs": 1}, {}, "prompt_logprobs=3"),
        ({"prompt_logprobs": 0}, {}, "prompt_logprobs=0"),
        ({"prompt_logprobs": 1, "logprobs": 1}, {"stop": ["a"]}, "echo together with stop"),
    ],
)
def test_an_echo_that_cannot_be_shown_is_refused(output: dict[str, int], stops: dict[str, Any], says: str) -> None:
    with pytest.raises(wire.Unsupported, match=says):
        read(output_options=output, stop_conditions=stops)


def test_best_of_is_refused_unless_it_is_n() -> None:
    with pytest.raises(wire.Unsupported, match="best_of"):
        read(sampling_options={"best_of": 2})


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"json": {"type": "object"}}, "json_schema", '{"type": "object"}'),
        ({"json": '{"type":"string"}'}, "json_schema", '{"type":"string"}'),
        ({"regex": "é+"}, "regex", "é+"),
        ({"grammar": 'root ::= "a"'}, "ebnf", 'root ::= "a"'),
        ({"structural_tag": {"triggers": []}}, "structural_tag", '{"triggers": []}'),
    ],
)
def test_guides(given: dict[str, Any], kind: str, text: str) -> None:
    guide = wire.read_guide({"json": None, "regex": None, **given})
    assert guide is not None and (guide.kind, guide.text) == (kind, text)


def test_no_guide() -> None:
    assert wire.read_guide(None) is None
    assert wire.read_guide({"json": None, "backend": None}) is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"json": {}, "regex": "a"}, "json and regex"),
        ({"regex": "a", "backend": "x"}, "--grammar-backend"),
        ({"regex": "a", "whitespace_pattern": " "}, "guided_whitespace_pattern"),
        ({"choice": []}, "is empty"),
    ],
)
def test_wrong_guides_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(wire.Unsupported, match=says):
        wire.read_guide(given)


def test_chunks_hold_only_what_they_have() -> None:
    assert wire.token_chunk(0, [1]) == {"token_ids": [1], "index": 0}
    whole = wire.token_chunk(
        1,
        [2],
        log_probs=[-1.0],
        top_logprobs=[[wire.top_logprob(2, -1.0, 1)]],
        finish_reason="stop",
        stop_reason="x",
        usage=wire.usage(3, 4, 1),
    )
    assert whole == {
        "token_ids": [2],
        "index": 1,
        "log_probs": [-1.0],
        "top_logprobs": [[{"rank": 1, "token_id": 2, "token": None, "logprob": -1.0}]],
        "finish_reason": "stop",
        "stop_reason": "x",
        "completion_usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
    }
