"""Role `decode`: the second leg of a request. Its prompt's KV cache comes from a prefill worker, and all tokens come from here.

The frontend sends both legs at once; this one waits in the engine until the cache has arrived. Refused with HTTP 400:
what `aggregated` refuses, and n > 1, because one prefill's cache is handed over once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armature.messages.tokens import GenerateRequest
from armature.roles.decode import ROLE
from armature.worker.pair import Leg, check_leg
from armature.worker.roles.base import WorkerSettings


class Decode(Leg):
    """One decoding engine behind one endpoint."""

    ROLE = ROLE
    MAKES_FIRST_TOKEN = False

    def read(self, request: Mapping[str, Any], request_id: str) -> GenerateRequest:
        return check_leg(super().read(request, request_id))


def open_role(settings: WorkerSettings) -> Decode:
    """Start SGLang and return once it is loaded."""
    from armature.engine.token_engine import start

    return Decode(start(settings.model_path, settings.engine_args, settings.limits, disaggregation_mode="decode"), settings)
