"""What generating roles do with a request that they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from armature.messages.tokens import GenerateRequest
from armature.runtime.wire import Unsupported
from armature.worker.generating import Generating


class Refusing(Generating):
    def __init__(self) -> None:
        pass

    def read(self, request: Mapping[str, Any], request_id: str) -> GenerateRequest:
        raise Unsupported("the prompt is too long")


def test_a_refusal_holds_nothing_of_what_was_read() -> None:
    """The runtime keeps the last error of a process: its causes have frames, and those the whole prompt."""
    with pytest.raises(Exception, match="the prompt is too long") as caught:
        Refusing()._read({}, "r")
    assert caught.value.__cause__ is None and caught.value.__context__ is None
