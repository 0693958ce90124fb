"""A request that goes on here after another worker had sent part of its output.

SGLang knows a request with output from its own retractions: prompt and output apart, the output computed again with the prompt. A
resumed request is given to it in that form. So everything that SGLang counts from the first output token is right by itself: the
limits `max_new_tokens` and `min_new_tokens`, stop strings across the cut, usage, and what of the output is sent.

`engine.sampling` puts the number of sent tokens into the request's `custom_params`; they are the last of its `input_ids`.

Penalties need more: SGLang itself forgets their history when a batch begins, also after a retraction. Here each batch begins with
the history of its requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from armature.engine.sampling import SENT

if TYPE_CHECKING:
    import torch

_APART = "armature_apart"  # on a request: its sent tokens are in `output_ids`, no longer at the end of `origin_input_ids`


def install() -> None:
    """Have SGLang's scheduler, in this process, resume requests. Call before it starts."""
    from sglang.srt.disaggregation.decode import DecodeTransferQueue
    from sglang.srt.managers.scheduler import Scheduler
    from sglang.srt.sampling.penaltylib import BatchedPenalizerOrchestrator

    queue, commit, begin = (
        Scheduler._add_request_to_queue,
        DecodeTransferQueue._commit_transfer_to_req,
        BatchedPenalizerOrchestrator.__init__,
    )

    def add_request_to_queue(self: Any, req: Any, is_retracted: bool = False) -> None:
        if not is_retracted:
            queued(req, self.disaggregation_mode.value)
        queue(self, req, is_retracted)

    def commit_transfer(self: Any, decode_req: Any) -> None:
        before = len(decode_req.req.output_ids)
        commit(self, decode_req)
        if len(decode_req.req.output_ids) > before:  # else the transfer failed
            take_apart(decode_req.req)

    def begin_batch(self: Any, vocab_size: int, batch: Any, penalizers: Any) -> None:
        begin(self, vocab_size, batch, penalizers)
        if self.is_required:
            remember(self, batch)

    Scheduler._add_request_to_queue = add_request_to_queue
    DecodeTransferQueue._commit_transfer_to_req = commit_transfer
    BatchedPenalizerOrchestrator.__init__ = begin_batch


def sent_of(req: Any) -> int:
    """How many of a request's tokens another worker has sent."""
    params = req.sampling_params.custom_params
    return int(params.get(SENT, 0)) if isinstance(params, dict) else 0


def queued(req: Any, mode: str) -> None:
    """Make a new request ready for the queue of an engine of SGLang's disaggregation mode `mode`: null | prefill | decode.

    A prefill engine computes and hands over the cache of all tokens, and a decode engine makes room for it, before the first of them
    is output to the engine: `commit_transfer` takes its request apart.
    """
    if mode == "null":
        take_apart(req)
    elif mode == "prefill" and req.sampling_params.min_new_tokens:
        req.sampling_params.min_new_tokens += sent_of(req)  # as `history` counts them


def take_apart(req: Any) -> None:
    """Move the sent tokens from the end of the prompt to the beginning of the output. Once; not of a request that was refused."""
    sent = sent_of(req)
    if not sent or getattr(req, _APART, False) or req.to_finish is not None or req.finished():
        return
    setattr(req, _APART, True)
    tokens = req.origin_input_ids
    req.origin_input_ids, output = tokens[:-sent], tokens[-sent:]
    req.origin_input_ids_unpadded = req.origin_input_ids
    req.output_ids = output + req.output_ids
    sampling = req.sampling_params  # its own: SGLang copies those with custom_params
    sampling.max_new_tokens += sent
    if sampling.min_new_tokens:
        sampling.min_new_tokens += sent
    req.send_token_offset = sent
    if req.return_logprob:
        req.logprob_start_len = len(tokens)
        req.send_output_token_logprobs_offset = sent
        for name in ("token_logprobs", "top_logprobs", "token_ids_logprobs"):
            for part in ("val", "idx"):
                rows = getattr(req.logprob, f"output_{name}_{part}")
                rows[:0] = [None] * sent  # never read: they are before the offset


def history(req: Any, latest_comes: bool) -> list[int]:
    """The output tokens that a batch's penalties begin with.

    latest_comes: the next step counts the latest of them by itself.
    """
    if getattr(req, _APART, False):
        seen = list(req.output_ids)
    else:  # a prefill engine's request is never taken apart
        seen = [*req.origin_input_ids[len(req.origin_input_ids) - sent_of(req) :], *req.output_ids]
    return seen[:-1] if latest_comes else seen


def remember(penalizers: Any, batch: Any) -> None:
    """Begin a batch's penalties with what each of its requests has generated.

    SGLang counts a token at the step after the one that gave it; with its overlap schedule, and where the first token comes from a
    prefill engine, that is the latest one here.
    """
    latest_comes = batch.enable_overlap or batch.forward_mode.name == "PREBUILT"
    for row, req in enumerate(batch.reqs):
        if seen := history(req, latest_comes):
            count(penalizers.penalizers.values(), row, seen)


def count(penalizers: Sequence[Any], row: int, tokens: Sequence[int]) -> None:
    """Let the penalizers in use know that request `row` of the batch has generated `tokens`."""
    import torch
    from sglang.srt.sampling import penaltylib as p

    for penalizer in penalizers:
        if not penalizer.is_prepared():
            continue
        if isinstance(penalizer, p.BatchedMinNewTokensPenalizer):
            penalizer.len_output_tokens[row] += len(tokens)
            continue
        index: torch.Tensor = torch.tensor(tokens, dtype=torch.int64, device=penalizer.orchestrator.device)
        if isinstance(penalizer, p.BatchedFrequencyPenalizer):
            each = penalizer.frequency_penalties[row].expand(len(tokens))
            penalizer.cumulated_frequency_penalties[row].index_add_(0, index, each)
        elif isinstance(penalizer, p.BatchedPresencePenalizer):
            penalizer.cumulated_presence_penalties[row, index] = penalizer.presence_penalties[row]
        elif isinstance(penalizer, p.BatchedRepetitionPenalizer):
            penalizer.cumulated_repetition_penalties[row, index] = penalizer.repetition_penalties[row]
