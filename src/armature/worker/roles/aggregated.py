"""Role `aggregated`: one engine does prefill and decode. Tokens in, tokens out.

Refused with HTTP 400, never dropped: what the table of docs/reference/requests.md calls refused.
"""

from __future__ import annotations

from armature.roles.aggregated import ROLE
from armature.worker.generating import Generating
from armature.worker.roles.base import WorkerSettings


class Aggregated(Generating):
    """One engine behind one endpoint."""

    ROLE = ROLE


def open_role(settings: WorkerSettings) -> Aggregated:
    """Start SGLang and return once it is loaded."""
    from armature.engine.token_engine import start

    return Aggregated(start(settings.model_path, settings.engine_args, settings.limits), settings)
