"""Role `embedding`: one vector for each text."""

from __future__ import annotations

from armature.roles.embedding import ROLE
from armature.worker.pooling import Pooling
from armature.worker.roles.base import WorkerSettings


class Embedding(Pooling):
    """One engine behind one endpoint."""

    ROLE = ROLE


def open_role(settings: WorkerSettings) -> Embedding:
    """Start SGLang and return once it is loaded."""
    from armature.engine.pooling_engine import start

    return Embedding(start(settings.model_path, settings.engine_args), settings)
