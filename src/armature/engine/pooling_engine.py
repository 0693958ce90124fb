"""SGLang as an engine that makes one vector of each input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from armature.engine.sglang_engine import Launched, SGLangEngine, launch
from armature.engine.types import RequestRefused
from armature.messages.pooling import Pooled, PoolingRequest


def start(model_path: str | Path, words: Sequence[str] = (), **given: Any) -> SGLangPoolingEngine:
    """Start an engine from native flags and return it when its scheduler has loaded the model. See `sglang_engine.launch`."""
    return SGLangPoolingEngine(launch(model_path, words, {"is_embedding": True, **given}))


class SGLangPoolingEngine(SGLangEngine):
    """See `engine.types.PoolingEngine`."""

    def __init__(self, launched: Launched) -> None:
        super().__init__(launched)
        self._inputs: dict[str, list[str]] = {}  # requests -> SGLang's ids of the inputs that it computes now

    async def embed(self, request: PoolingRequest) -> Pooled:
        """See `engine.types.PoolingEngine.embed`. The scheduler is given no more inputs at a time than it computes at a time."""
        vectors: list[Sequence[float]] = []
        tokens = 0
        self._inputs[request.request_id] = []
        try:
            for first, inputs in parts(request.inputs, self.info.max_running_requests):
                for out in await self._part(request, first, inputs):
                    vectors.append(out["embedding"])
                    tokens += out["meta_info"]["prompt_tokens"]
        finally:
            del self._inputs[request.request_id]
        return Pooled(vectors, tokens)

    def abort(self, request_id: str) -> None:
        """See `engine.types.Engine.abort`. Each input is a request of its own in SGLang."""
        for input_id in self._inputs.get(request_id, ()):
            super().abort(input_id)

    async def _part(self, request: PoolingRequest, first: int, inputs: list[list[int]]) -> list[dict[str, Any]]:
        from sglang.srt.managers.io_struct import EmbeddingReqInput

        ids = [f"{request.request_id}-{first + i}" for i in range(len(inputs))]
        self._inputs[request.request_id] = ids
        native = EmbeddingReqInput(input_ids=inputs, rid=ids, dimensions=request.dimensions)
        try:
            async with aclosing(self._manager.generate_request(native, None)) as outs:
                found: list[dict[str, Any]] = await anext(outs)
        except ValueError as e:  # SGLang's word for a request that cannot be served, and for one that was aborted
            raise RequestRefused(str(e)) from None
        if lost := next((out for out in found if "embedding" not in out), None):
            raise RequestRefused(f"cancelled: {lost.get('meta_info', {}).get('finish_reason')}")
        return found


def parts(inputs: list[list[int]], size: int) -> Iterator[tuple[int, list[list[int]]]]:
    """`inputs` in lists of at most `size`, each with the place of its first."""
    for first in range(0, len(inputs), size):
        yield first, inputs[first : first + size]
