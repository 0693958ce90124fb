"""From `Sampling` to SGLang's sampling parameters. Pure functions."""

from __future__ import annotations

from typing import Any

from armature.messages.tokens import Sampling

# Of `custom_params`: how many of the last tokens of `input_ids` were sent by another worker, see `engine.scheduler.resumed`.
SENT = "armature_sent"
# Fields that have the same name and meaning in SGLang.
_SAME = ("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty")


def sampling_params(sampling: Sampling, output: int = 0, sent: int = 0) -> dict[str, Any]:
    """SGLang's sampling parameters for one of the n outputs. sent: see `GenerateRequest`.

    max_new_tokens is always given, None included: SGLang's own default is 128, and None lets it fill the context.
    Each output has a seed of its own, so that n outputs of one seed differ from each other and repeat together.
    The stop string stays in the tokens (no_stop_trim): the frontend detokenizes and trims.
    """
    params: dict[str, Any] = {"max_new_tokens": sampling.max_tokens}
    for name in _SAME:
        value = getattr(sampling, name)
        if value is not None:
            params[name] = value
    if sampling.min_tokens:
        params["min_new_tokens"] = sampling.min_tokens
    if sampling.seed is not None:
        params["sampling_seed"] = sampling.seed + output
    if sampling.stop:
        params["stop"] = list(sampling.stop)
    if sampling.stop_token_ids:
        params["stop_token_ids"] = list(sampling.stop_token_ids)
    if sampling.ignore_eos:
        params["ignore_eos"] = True
    if sampling.guide is not None:
        params[sampling.guide.kind] = sampling.guide.text
    if sent:
        params["custom_params"] = {SENT: sent}
    return params
