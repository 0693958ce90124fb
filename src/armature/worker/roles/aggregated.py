"""Role `aggregated`: one engine does prefill and decode. Tokens in, tokens out.

Refused with HTTP 400, never dropped: log probabilities of the prompt (`prompt_logprobs`; `echo` of a completion, which
needs them), beam search, `best_of` other than `n`, `include_stop_str_in_output`, `max_thinking_tokens`, images and other
media, prompts as embeddings, a grammar backend or whitespace pattern per request, more than one grammar.
"""

from __future__ import annotations

from armature.worker.generating import Generating
from armature.worker.roles.base import WorkerSettings

SUMMARY = "prefill and decode in one engine"


class Aggregated(Generating):
    """One engine behind one endpoint."""


def open_role(settings: WorkerSettings) -> Aggregated:
    """Start SGLang and return once it is loaded."""
    from armature.engine.sglang_engine import start

    return Aggregated(start(settings.model_path, settings.engine_args), settings)
