"""The generator of hostile requests: the same for the same seed, of every kind and field, and bytes that can be sent."""

from __future__ import annotations

import json
from functools import cache

import pytest

from support.hostile import judge
from support.hostile.client import Answer, End
from support.hostile.fields import CHAT, Field, missing, table
from support.hostile.generate import KINDS, request
from support.hostile.mix import Sent
from support.hostile.request import Request
from support.hostile.target import Target
from support.hostile.values import Raw, encode, nested

TARGET = Target("m")
EVERY = sum(map(len, table(TARGET).values()))


@cache
def first(count: int, **more: object) -> list[Request]:
    return [request(1, number, TARGET, **more) for number in range(count)]  # type: ignore[arg-type]


def test_a_number_of_a_seed_is_always_the_same_request() -> None:
    forward = first(EVERY + 500)
    assert [request(1, number, TARGET) for number in reversed(range(EVERY + 500))] == forward[::-1]
    assert [request(2, number, TARGET) for number in range(50)] != forward[:50]


def test_the_first_requests_take_each_field_of_each_route_once() -> None:
    taken = [(made.route, made.kind) for made in first(EVERY)]
    assert sorted(taken) == sorted((route, f"field:{each.name}") for route, fields in table(TARGET).items() for each in fields)


def test_every_kind_comes() -> None:
    kinds = {made.kind.partition(":")[0] for made in first(EVERY + 500)[EVERY:]}
    assert len(kinds) == len(KINDS)


def test_a_kind_is_left_out_whole_or_in_part() -> None:
    some = first(EVERY + 500, without=("guide", "field:seed", "client:half_a_body"))
    assert not [made.kind for made in some if made.kind.startswith("guide:") or made.kind in ("field:seed", "client:half_a_body")]
    assert any(made.kind.startswith("client:") for made in some)


def test_most_bodies_are_json() -> None:
    """What is no JSON is hostile on purpose; a generator that wrote little else would test a parser only."""

    def is_json(body: bytes) -> bool:
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return False
        return True

    posted = [made for made in first(EVERY + 500) if made.method == "POST"]
    assert sum(is_json(made.body) for made in posted) > 0.8 * len(posted)


def test_heads_are_lines_of_http() -> None:
    for made in first(EVERY + 500):
        assert "\n" not in made.route + made.method + "".join(f"{n}{v}" for n, v in made.headers.items())


def test_raw_bytes_stand_where_they_were() -> None:
    assert encode({"a": Raw(b"NaN"), "b": [Raw(b'"\xff"'), "\ud800"]}) == b'{"a": NaN, "b": ["\xff", "\\ud800"]}'
    assert json.loads(encode(nested(50))) == json.loads("[" * 50 + "]" * 50)


def test_a_value_that_is_no_json_and_not_raw_is_refused() -> None:
    with pytest.raises(TypeError, match="no place in a body"):
        encode({"a": object()})


def test_a_field_that_a_frontend_lists_and_the_table_lacks_is_named() -> None:
    schema = {"allOf": [{"$ref": "#/components/schemas/Common"}, {"properties": {"nvext": {}, "seed": {}}}]}
    listed = {
        "paths": {CHAT: {"post": {"requestBody": {"content": {"application/json": {"schema": schema, "example": {"unheard_of": 1}}}}}}},
        "components": {"schemas": {"Common": {"properties": {"novel": {}}}, "NvExt": {"properties": {"annotations": {}, "newer": {}}}}},
    }
    assert missing(listed, TARGET) == {CHAT: {"unheard_of", "novel", "nvext.newer"}}


def test_tables_are_not_changed_by_use() -> None:
    before = repr(table(TARGET))
    for number in range(EVERY + 500):
        request(3, number, TARGET)
    assert repr(table(TARGET)) == before
    assert all(isinstance(each, Field) for fields in table(TARGET).values() for each in fields)


def test_a_reproduction_makes_the_same_request() -> None:
    for made in first(EVERY + 500)[-300:]:
        told = json.loads(json.dumps(judge.described(Sent(7, 0.0, made, Answer(End.ANSWERED, 200)))))
        assert judge.again(told) == made
