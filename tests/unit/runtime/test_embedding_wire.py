"""The runtime's dicts of /v1/embeddings: read and written."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from armature.messages.pooling import Pooled, PoolingRequest
from armature.runtime import embedding_wire as wire
from armature.runtime.wire import Unsupported

AS_IT_COMES = {"model": "m", "encoding_format": "base64", "dimensions": None, "mdc_sum": "139d", "annotations": []}


def test_every_field_is_read() -> None:
    raw = AS_IT_COMES | {"token_ids": [[5, 6], struct.pack("<2i", 7, 70_000)], "dimensions": 3}
    assert wire.read_request(raw, "r") == PoolingRequest("r", [[5, 6], [7, 70_000]], 3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token_ids": []}, "input is empty"),
        ({"token_ids": [[1], []]}, "input 1 is empty"),
        ({"token_ids": [1]}, "token_ids: expected lists of integers"),
        ({"token_ids": [["1"]]}, "token_ids: expected lists of integers"),
        ({"dimensions": "3"}, "dimensions: expected an integer"),
        ({"truncate_prompt_tokens": 3}, "truncate_prompt_tokens is not supported"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Unsupported, match=said):
        wire.read_request(AS_IT_COMES | {"token_ids": [[1]]} | changes, "r")


def test_a_vector_leaves_as_32_bit_numbers() -> None:
    sent = wire.answer(Pooled([[0.5, -2.0]], 3))
    assert struct.unpack("<2f", base64.b64decode(sent["embeddings"][0])) == (0.5, -2.0)
    assert (sent["prompt_tokens"], sent["total_tokens"]) == (3, 3)
