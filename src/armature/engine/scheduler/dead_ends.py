"""A request for which no token is allowed ends alone.

A guide and the other conditions of a request can forbid every token: a grammar without a sentence, or `min_tokens` behind the end of a
guide. All logits of its row are then minus infinity, the softmax makes NaN of them, and as soon as anyone in the batch asks for
top_p, top_k or min_p, torch.multinomial raises for the whole batch: the scheduler dies.

Here such a row gets equal logits before it is sampled. The guide does not accept the token that is drawn, and so SGLang ends this request
by itself; it ends as refused, in every topology. Only batches with guides pay for the look: without one no row can be empty.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from armature.engine.guides import DEAD_END


def install() -> None:
    """Guard the sampler of this process's scheduler. Once, before it is made."""
    from sglang.srt.layers.sampler import Sampler
    from sglang.srt.managers.scheduler_components import batch_result_processor

    preprocess, abort = Sampler._preprocess_logits, batch_result_processor.FINISH_ABORT

    def without_empty_rows(self: Any, logits: Any, sampling_info: Any) -> Any:
        logits = preprocess(self, logits, sampling_info)
        return filled(logits) if sampling_info.grammars else logits

    def with_a_reason(message: str | None = None, status_code: int | None = None, err_type: str | None = None) -> Any:
        """SGLang gives none when a guide does not accept a token."""
        if message is None:
            message, status_code = DEAD_END, HTTPStatus.BAD_REQUEST
        return abort(message, status_code, err_type)

    Sampler._preprocess_logits = without_empty_rows
    batch_result_processor.FINISH_ABORT = with_a_reason


def filled(logits: Any) -> Any:
    """`logits`, of shape (requests, vocabulary), with every row zero that had no finite value. Changed in place."""
    empty = logits.amax(dim=-1, keepdim=True).isneginf()
    return logits.masked_fill_(empty, 0.0)
