"""Role `prefill`: the first leg of a request. It computes the prompt's KV cache and hands it to a decode worker.

The frontend sends both legs at once and reads the tokens from decode; from here it learns only that the leg ended. The
worker tells the frontend where its bootstrap server is, so that the frontend can choose the room for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from armature.engine.types import TokenEngine
from armature.messages.tokens import GenerateRequest
from armature.roles.prefill import ROLE
from armature.runtime.registration import ModelCard
from armature.runtime.wire import read_note
from armature.worker.pair import Leg, check_leg
from armature.worker.roles.base import WorkerSettings
from armature.worker.writer import HandoverWriter, Writer


class Prefill(Leg):
    """One prefilling engine behind one endpoint."""

    ROLE = ROLE
    MAKES_THE_REST = False

    def __init__(self, engine: TokenEngine, settings: WorkerSettings, bootstrap: tuple[str, int]) -> None:
        super().__init__(engine, settings)
        self._bootstrap = bootstrap

    @property
    def card(self) -> ModelCard:
        return replace(super().card, bootstrap=self._bootstrap)

    def writer(self, wanted: GenerateRequest, request: Mapping[str, Any]) -> Writer:
        """Its token is dropped: decode gives it again."""
        assert wanted.bootstrap is not None  # see check_leg
        return HandoverWriter(wanted.bootstrap, read_note(request))

    def alone(self, request: GenerateRequest) -> GenerateRequest:
        return _first_token_only(super().alone(request))

    def read(self, request: Mapping[str, Any], request_id: str) -> GenerateRequest:
        leg = check_leg(super().read(request, request_id))
        rank = leg.prefill_dp_rank if leg.prefill_dp_rank is not None else leg.dp_rank
        return replace(_first_token_only(leg), dp_rank=rank, prefill_dp_rank=None)


def _first_token_only(request: GenerateRequest) -> GenerateRequest:
    least = min(1, request.sampling.min_tokens or 0)
    return replace(request, sampling=replace(request.sampling, max_tokens=1, min_tokens=least))


def open_role(settings: WorkerSettings) -> Prefill:
    """Start SGLang and return once it is loaded."""
    from armature.engine.token_engine import start

    engine = start(settings.model_path, settings.engine_args, settings.limits, disaggregation_mode="prefill")
    return Prefill(engine, settings, engine.bootstrap)
