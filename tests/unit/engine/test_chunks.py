"""SGLang's outputs as chunks."""

from __future__ import annotations

import math
from typing import Any

import pytest

from armature.engine.chunks import chunk, prompt_chunk
from armature.engine.types import RequestRefused
from armature.messages.tokens import Chunk, Finish, TopLogprob, Usage


def out(finish: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    counts = {"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 1}
    return {"output_ids": [7, 8], "meta_info": {"finish_reason": finish, **counts, **meta}}


def test_a_chunk_in_the_middle_has_tokens_only() -> None:
    assert chunk(out(), 1, None) == Chunk(1, [7, 8])


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ({"type": "length", "length": 2}, Finish("length")),
        ({"type": "stop", "matched": 8}, Finish("stop", matched=8)),
        ({"type": "stop", "matched": "end"}, Finish("stop", matched="end")),
        ({"type": "abort", "message": "Aborted"}, Finish("cancelled", message="Aborted")),
        ({"type": "abort", "message": "boom", "status_code": 500}, Finish("error", message="boom")),
        ({"type": "abort", "message": "full", "status_code": 503}, Finish("error", message="full")),
        ({"type": "abort", "message": "x KVTransferError(y)", "status_code": 500}, Finish("handoff", message="x KVTransferError(y)")),
    ],
)
def test_every_end_is_told_apart(reason: dict[str, Any], finish: Finish) -> None:
    last = chunk(out(reason), 0, None)
    assert (last.finish, last.usage) == (finish, Usage(3, 2, 1))


def test_what_the_client_asked_wrongly_is_refused() -> None:
    with pytest.raises(RequestRefused, match="bad grammar"):
        chunk(out({"type": "abort", "message": "bad grammar", "status_code": 400}), 0, None)


def test_a_guides_dead_end_is_the_clients_in_every_topology() -> None:
    """Engines that only prefill or only decode call it an error of theirs."""
    message = "Grammar accept_token failed for req a with token 37: Tokens not accepted: 37"
    with pytest.raises(RequestRefused, match="no token is allowed next"):
        chunk(out({"type": "abort", "message": message, "status_code": 500}), 0, None)


def test_logprobs_of_the_chosen_tokens() -> None:
    made = chunk(out(output_token_logprobs=[(-0.5, 7, None), (-1.5, 8, None)]), 0, 0)
    assert (made.logprobs, made.top_logprobs) == ([-0.5, -1.5], None)


def test_top_logprobs_are_ranked() -> None:
    made = chunk(out(output_token_logprobs=[(-0.5, 7, None)], output_top_logprobs=[[(-0.5, 7, None), (-0.9, 9, None)]]), 0, 2)
    assert made.top_logprobs == [[TopLogprob(7, -0.5, 1), TopLogprob(9, -0.9, 2)]]


def test_a_prompt_has_no_log_probability_for_its_first_token() -> None:
    first = out(
        input_token_logprobs=[(None, 5, None), (-0.5, 6, None)],
        input_top_logprobs=[None, [(-0.1, 9, None), (-0.5, 6, None)]],
    )
    made = prompt_chunk(first, 1, 2)
    assert (made.index, made.token_ids) == (1, [5, 6])
    assert made.logprobs is not None and math.isnan(made.logprobs[0]) and made.logprobs[1:] == [-0.5]
    assert made.top_logprobs == [[], [TopLogprob(9, -0.1, 1), TopLogprob(6, -0.5, 2)]]
    assert prompt_chunk(first, 0, 0).top_logprobs is None
