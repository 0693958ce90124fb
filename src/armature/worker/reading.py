"""From the runtime's request to the engine's, with every check between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armature.messages.tokens import GenerateRequest
from armature.runtime import wire
from armature.worker import replay
from armature.worker.limits import Bounds, check, check_prompt


def read(request: Mapping[str, Any], request_id: str, bounds: Bounds) -> GenerateRequest:
    """The engine's request for the runtime's dict.

    Raises wire.Unsupported for what no engine of ours does and for what is beyond `bounds`, replay.CannotGoOn for what cannot
    follow an earlier attempt.
    """
    check_prompt(wire.prompt_length(request), bounds)
    return replay.resumed(check(wire.read_request(request, request_id), bounds), wire.read_note(request))
