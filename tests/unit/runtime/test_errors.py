"""Errors that the runtime turns into HTTP answers."""

from __future__ import annotations

import pytest

from armature.runtime.errors import or_refuse
from armature.runtime.wire import Unsupported


def test_a_refusal_holds_nothing_of_what_was_read() -> None:
    """The runtime keeps the last error of a process: its causes have frames, and those the whole prompt."""

    def read() -> None:
        raise Unsupported("the prompt is too long")

    with pytest.raises(Exception, match="the prompt is too long") as caught:
        or_refuse(read)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_what_can_be_read_is() -> None:
    assert or_refuse(lambda: 5) == 5
