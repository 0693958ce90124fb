"""Requests to the engine's values, the engine's chunks to the runtime's."""

from __future__ import annotations

from typing import Literal

import pytest

from armature.engine.types import Bootstrap, Chunk, EngineInfo, Finish, GenerateRequest, Guide, Sampling, TopLogprob, Usage
from armature.runtime import wire
from armature.worker.limits import Bounds
from armature.worker.translate import ChunkWriter, EngineFailed, HandoffFailed, choice_grammar, generate_request, guide

BOUNDS = Bounds(EngineInfo(4096, 1, 8192, 16, 4096, 2, 0.0, vocab_size=300))


def writer(n: int = 1) -> ChunkWriter:
    return ChunkWriter(GenerateRequest("r", [5, 6], Sampling(n=n)))


def test_a_request_reaches_the_engine_whole() -> None:
    raw = {
        "token_ids": [5, 6],
        "stop_conditions": {"max_tokens": 9, "min_tokens": 2, "stop": ["a"], "stop_token_ids": [9]},
        "sampling_options": {
            "n": 2,
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
        "output_options": {"logprobs": 3},
        "routing": {"dp_rank": 1, "prefill_dp_rank": 3, "priority": 5},
        "bootstrap_info": {"bootstrap_host": "h", "bootstrap_port": 1, "bootstrap_room": 2},
        "eos_token_ids": [2],
    }
    sampling = Sampling(9, 2, 0.5, 0.9, 4, 0.1, 0.2, 0.3, 1.1, 7, 2, ("a",), (9, 2), False, Guide("regex", "a+"))
    assert generate_request(raw, "r", BOUNDS) == GenerateRequest("r", [5, 6], sampling, 3, 1, 5, Bootstrap("h", 1, 2), 3)


def test_every_field_of_a_token_request_has_a_place_in_the_engines() -> None:
    """A new field of one of them must not be forgotten in the other."""
    renamed = {"max_tokens": "max_new_tokens", "min_tokens": "min_new_tokens"}
    read = {renamed.get(name, name) for name in wire.TokenRequest.__dataclass_fields__}
    taken = set(Sampling.__dataclass_fields__) | set(GenerateRequest.__dataclass_fields__) - {"sampling", "request_id", "sent"}
    assert read == taken


def test_choices_become_a_grammar_of_literals() -> None:
    assert choice_grammar(["a", "b c"]) == 'root ::= "a" | "b c"'
    assert choice_grammar(['say "hi"\\', "a\nb", "é😀", "[x]*"]) == 'root ::= "say \\"hi\\"\\\\" | "a\\nb" | "é😀" | "[x]*"'
    assert guide(wire.GuideSpec("choice", choices=("a",))) == Guide("ebnf", 'root ::= "a"')


def test_a_chunk_in_the_middle() -> None:
    assert writer().write(Chunk(0, [7])) == {"token_ids": [7], "index": 0}


def test_logprobs() -> None:
    chunk = Chunk(0, [7], logprobs=[-0.5], top_logprobs=[[TopLogprob(7, -0.5, 1)]])
    assert writer().write(chunk) == {
        "token_ids": [7],
        "index": 0,
        "log_probs": [-0.5],
        "top_logprobs": [[{"rank": 1, "token_id": 7, "token": None, "logprob": -0.5}]],
    }


def test_the_last_chunk_has_finish_stop_reason_and_usage() -> None:
    wrote = writer().write(Chunk(0, [7], finish=Finish("stop", matched="x"), usage=Usage(10, 3, 4)))
    assert wrote["finish_reason"] == "stop" and wrote["stop_reason"] == "x"
    assert wrote["completion_usage"] == wire.usage(10, 3, 4)


def test_usage_of_n_outputs_goes_out_once_with_the_last() -> None:
    two = writer(n=2)
    first = two.write(Chunk(1, [7], finish=Finish("length"), usage=Usage(10, 3, 4)))
    last = two.write(Chunk(0, [7], finish=Finish("stop"), usage=Usage(10, 5, 9)))
    assert "completion_usage" not in first
    assert last["completion_usage"] == wire.usage(10, 8, 4)


@pytest.mark.parametrize(("reason", "error"), [("error", EngineFailed), ("handoff", HandoffFailed)])
def test_an_engines_error_is_raised_with_its_reason(reason: Literal["error", "handoff"], error: type[EngineFailed]) -> None:
    with pytest.raises(EngineFailed, match="the reason") as caught:
        writer().write(Chunk(0, [], finish=Finish(reason, message="the reason")))
    assert type(caught.value) is error
