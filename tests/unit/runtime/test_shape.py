"""A field of the wrong type is refused by name before anything reads it."""

from __future__ import annotations

from typing import Any

import pytest

from armature.runtime import wire
from armature.runtime.shape import Malformed, check_shape


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ([], "the request: expected an object"),
        ({"token_ids": "abc"}, "token_ids: expected a list of integers"),
        ({"token_ids": [1.5]}, "token_ids: expected a list of integers"),
        ({"token_ids": [2**70]}, "token_ids: expected a list of integers"),
        ({"token_ids": b"abc"}, "token_ids: expected a list of integers"),
        ({"stop_conditions": 3}, "stop_conditions: expected an object"),
        ({"stop_conditions": {"stop": "abc"}}, "stop: expected a list of strings"),
        ({"stop_conditions": {"max_tokens": True}}, "max_tokens: expected an integer"),
        ({"sampling_options": {"temperature": "1"}}, "temperature: expected a number"),
        ({"sampling_options": {"n": 1.0}}, "n: expected an integer"),
        ({"sampling_options": {"guided_decoding": {"regex": 5}}}, "regex: expected a string"),
        ({"routing": {"priority": []}}, "priority: expected an integer"),
        ({"bootstrap_info": {"bootstrap_room": "x"}}, "bootstrap_room: expected an integer"),
    ],
)
def test_a_wrong_type_is_named(request_: Any, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        check_shape(request_)
    with pytest.raises(wire.Unsupported, match=said):
        wire.read_request(request_, "r")


def test_nulls_and_unknown_fields_are_nobodys_mistake() -> None:
    check_shape({"token_ids": [1], "stop_conditions": None, "sampling_options": {"n": None, "other": object()}, "mine": 5})


def test_a_meeting_place_must_be_whole() -> None:
    with pytest.raises(wire.Unsupported, match="bootstrap_info has no bootstrap_room"):
        wire.read_request({"token_ids": [1], "bootstrap_info": {"bootstrap_host": "h", "bootstrap_port": 1}}, "r")
