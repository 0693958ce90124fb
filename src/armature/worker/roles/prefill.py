"""Role `prefill`: the first leg of a request. It computes the prompt's KV cache and hands it to a decode worker.

The frontend sends both legs at once and reads the tokens from decode; from here it learns only that the leg ended. The
worker tells the frontend where its bootstrap server is, so that the frontend can choose the room for both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from armature.engine.types import Engine, GenerateRequest
from armature.roles.prefill import ROLE
from armature.runtime import wire
from armature.runtime.egress import Context
from armature.runtime.registration import ModelCard
from armature.worker.pair import Leg, check_leg
from armature.worker.roles.base import WorkerSettings


class Prefill(Leg):
    """One prefilling engine behind one endpoint."""

    ROLE = ROLE
    MAKES_THE_REST = False

    def __init__(self, engine: Engine, settings: WorkerSettings, bootstrap: tuple[str, int]) -> None:
        super().__init__(engine, settings)
        self._bootstrap = bootstrap

    @property
    def card(self) -> ModelCard:
        return replace(super().card, bootstrap=self._bootstrap)

    async def stream(self, request: dict[str, Any], context: Context) -> AsyncIterator[dict[str, Any]]:
        """Answer one leg: a single chunk, once the cache has gone over. Its token is dropped: decode gives it again."""
        async with aclosing(super().stream(request, context)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if chunk.get("finish_reason") not in (None, "cancelled"):
                    yield wire.handed_over(request["bootstrap_info"], chunk.get("completion_usage"))

    def alone(self, request: GenerateRequest) -> GenerateRequest:
        return _first_token_only(super().alone(request))

    def read(self, request: Mapping[str, Any], request_id: str) -> GenerateRequest:
        leg = check_leg(super().read(request, request_id))
        rank = leg.prefill_dp_rank if leg.prefill_dp_rank is not None else leg.dp_rank
        return replace(_first_token_only(leg), dp_rank=rank, prefill_dp_rank=None)


def _first_token_only(request: GenerateRequest) -> GenerateRequest:
    least = min(1, request.sampling.min_new_tokens or 0)
    return replace(request, sampling=replace(request.sampling, max_new_tokens=1, min_new_tokens=least))


def open_role(settings: WorkerSettings) -> Prefill:
    """Start SGLang and return once it is loaded."""
    from armature.engine.sglang_engine import start

    engine = start(settings.model_path, settings.engine_args, settings.limits, disaggregation_mode="prefill")
    return Prefill(engine, settings, engine.bootstrap)
