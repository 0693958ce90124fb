"""The engine's chunks to the runtime's."""

from __future__ import annotations

from typing import Literal

import pytest

from armature.messages.tokens import Bootstrap, Chunk, Finish, GenerateRequest, Sampling, TopLogprob, Usage
from armature.runtime import wire
from armature.worker.writer import ChunkWriter, EngineFailed, HandoffFailed, HandoverWriter


def writer(n: int = 1) -> ChunkWriter:
    return ChunkWriter(GenerateRequest("r", [5, 6], Sampling(n=n)))


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


def test_a_leg_is_answered_once_when_its_cache_has_gone_over() -> None:
    meet = Bootstrap("h", 1, 2)
    leg = HandoverWriter(meet, wire.Note(8, 4))
    assert leg.write(Chunk(0, [7])) is None
    assert leg.write(Chunk(0, [7], finish=Finish("length"), usage=Usage(9, 1, 0))) == wire.handed_over(meet, wire.usage(8, 1, 4))


def test_a_leg_that_was_cancelled_hands_nothing_over() -> None:
    assert HandoverWriter(Bootstrap("h", 1, 2)).write(Chunk(0, [], finish=Finish("cancelled"))) is None
