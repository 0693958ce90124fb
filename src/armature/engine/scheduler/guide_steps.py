"""What following a guide may cost the scheduler for each token. More ends that request, and no other.

A guide that compiles in a millisecond may still be ambiguous: then each token takes longer than the one before, a second and more
after a thousand, and the scheduler makes nobody's tokens meanwhile. That depends on the output, so no trial can tell it.

The time of this thread counts, not that of a clock: a busy host is nobody's fault. Ranks that share a request would differ by it, so
only the rank that reads requests decides; it adds an abort to what it has read, which reaches every rank at the same step.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any

from armature import env
from armature.engine.guides import TOO_SLOW
from armature.limits import DEFAULT_LIMITS

GRACE_S = 0.5  # a few steps may be slow, such as the first ones


class StepLimit:
    """The steps of one scheduler process. `limit_s`: CPU seconds that a token of a guide may take on average."""

    def __init__(self, limit_s: float, now: Callable[[], float] = time.thread_time) -> None:
        self._limit = limit_s
        self._now = now
        self._exceeded: list[str] = []

    def owned(self, request: Any) -> None:
        """Remember whose guide this is. A reasoner's guide is around another."""
        guide = getattr(request.grammar, "grammar", None) or request.grammar
        guide.owner, guide.spent, guide.steps = request.rid, 0.0, 0

    def timed(self, step: Callable[..., Any], counts: bool) -> Callable[..., Any]:
        """`step`, a method of a guide, with its time added to that of the guide. counts: it is called once for each token."""

        @functools.wraps(step)
        def timed(guide: Any, *args: Any) -> Any:
            began = self._now()
            try:
                return step(guide, *args)
            finally:
                if (owner := getattr(guide, "owner", None)) is not None:
                    guide.spent += self._now() - began
                    guide.steps += counts
                    if guide.spent > GRACE_S + self._limit * guide.steps:
                        self._exceeded.append(owner)
                        guide.owner = None  # once is enough

        return timed

    def exceeded(self) -> list[str]:
        """The requests, by their ids, that exceeded the limit since the last call."""
        found, self._exceeded = self._exceeded, []
        return found


def install() -> None:
    """Watch the steps of this process's scheduler. Once, before it is made."""
    from sglang.srt.constrained.grammar_manager import GrammarManager
    from sglang.srt.constrained.xgrammar_backend import XGrammarGrammar
    from sglang.srt.managers.io_struct import AbortReq
    from sglang.srt.managers.scheduler_components.request_receiver import SchedulerRequestReceiver
    from sglang.srt.runtime_context import get_parallel

    steps = StepLimit(int(os.environ.get(env.GUIDE_STEP_MS, DEFAULT_LIMITS.guide_step_ms)) / 1e3)
    process, ready, receive = (
        GrammarManager.process_req_with_grammar,
        GrammarManager.get_ready_grammar_requests,
        SchedulerRequestReceiver.recv_requests,
    )

    def process_and_own(self: Any, request: Any) -> bool:
        waits: bool = process(self, request)
        if not waits and request.grammar is not None:
            steps.owned(request)
        return waits

    def ready_and_own(self: Any) -> list[Any]:
        found: list[Any] = ready(self)
        for request in found:
            if request.grammar is not None:
                steps.owned(request)
        return found

    def receive_and_abort(self: Any, local_reqs: list[Any] | None = None) -> Any:
        aborts = [AbortReq(rid=owner, abort_message=TOO_SLOW) for owner in steps.exceeded()]
        if get_parallel().pp_rank > 0:  # the first stage's go through the whole pipeline
            aborts = []
        return receive(self, [*(local_reqs or ()), *aborts] or None)

    GrammarManager.process_req_with_grammar = process_and_own
    GrammarManager.get_ready_grammar_requests = ready_and_own
    SchedulerRequestReceiver.recv_requests = receive_and_abort
    XGrammarGrammar.fill_vocab_mask = steps.timed(XGrammarGrammar.fill_vocab_mask, counts=False)
    XGrammarGrammar.accept_token = steps.timed(XGrammarGrammar.accept_token, counts=True)
