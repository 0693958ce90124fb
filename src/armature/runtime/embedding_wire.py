"""The shapes of the runtime's dicts for /v1/embeddings, which no other module knows. Pure functions.

Facts of runtime 1.6.1 that shape this module (seen in probes; tests/topologies/test_embedding holds them, but for the tokens at the
ends): texts arrive tokenized, one list of ids for each, with the tokens that the tokenizer adds at its ends; so does a prompt that the
client gave as ids. A vector leaves as 32-bit numbers in base64, whatever the client asked for: the frontend makes a list of it. The
frontend leaves out `user`, and does not check that inputs are there.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from armature.messages.pooling import Pooled, PoolingRequest
from armature.runtime.shape import EMBEDDING
from armature.runtime.wire import Unsupported, check_types, read_token_ids

_READ = frozenset(("token_ids", "dimensions"))
_FRONTENDS = frozenset(("model", "encoding_format", "user", "mdc_sum", "annotations", "request_id"))


def read_request(request: Mapping[str, Any], request_id: str) -> PoolingRequest:
    """The typed value of a tokenized request. Raises Unsupported for fields of a wrong type, and for what would otherwise be
    dropped silently."""
    check_types(request, EMBEDDING)
    for field in request.keys() - _READ - _FRONTENDS:
        if request[field]:
            raise Unsupported(f"{field} is not supported")
    inputs = request.get("token_ids") or ()
    if not inputs:
        raise Unsupported("input is empty")
    for number, ids in enumerate(inputs):
        if not ids:
            raise Unsupported(f"input {number} is empty")
    return PoolingRequest(request_id, [read_token_ids(ids) for ids in inputs], request.get("dimensions"))


def answer(pooled: Pooled) -> dict[str, Any]:
    """The one chunk of an answer."""
    return {"embeddings": [_packed(v) for v in pooled.vectors], "prompt_tokens": pooled.tokens, "total_tokens": pooled.tokens}


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()
