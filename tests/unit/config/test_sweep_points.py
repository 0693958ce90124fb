"""Words with several values become every combination of them."""

from __future__ import annotations

import pytest

from armature.config.sweep import expand, family
from armature.errors import UserError


def test_the_last_key_varies_fastest() -> None:
    points = expand(["topology=agg,disagg", "model=tiny-qwen3", "load.concurrency=1,4"])
    assert [p.name for p in points] == [f"{t},load.concurrency={c}" for t in ("agg", "disagg") for c in (1, 4)]
    assert points[0].words == ("topology=agg", "model=tiny-qwen3", "load.concurrency=1")


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("load.rate=range(2,7,2)", ["2", "4", "6"]),
        ("load.rate=choice(1,3)", ["1", "3"]),
        ("load.rate=2,2,3", ["2", "3"]),
    ],
)
def test_hydras_ways_to_list_values(word: str, values: list[str]) -> None:
    assert [p.words[0] for p in expand([word])] == [f"load.rate={v}" for v in values]


@pytest.mark.parametrize("word", ["load.id_range=[1,2]", "load.input='a,b'", "+model=tiny-qwen3"])
def test_what_is_one_value_stays_as_it_is(word: str) -> None:
    (point,) = expand([word])
    assert (point.words, point.name) == ((word,), "all")


@pytest.mark.parametrize("word", ["load.rate=glob(*)", "load.rate=interval(1,2)", "load.rate=1,,2", "nothing"])
def test_what_cannot_be_listed_is_refused(word: str) -> None:
    with pytest.raises(UserError):
        expand([word])


AGG = ["topology=agg", "+model=tiny-qwen3", "load.concurrency=1,4"]


@pytest.mark.parametrize(
    "more",
    [
        ["topology=agg", "+model=tiny-qwen3", "load.concurrency=1,4,16"],
        ["topology=agg", "+model=tiny-qwen3", "load.concurrency=4,1"],
        ["topology=agg,disagg", "+model=tiny-qwen3", "load.concurrency=1,4"],
        ["load.concurrency=range(1,7,3)", "topology=agg", "model=tiny-qwen3"],
    ],
)
def test_a_sweep_with_other_values_is_the_same_sweep_and_has_the_same_points(more: list[str]) -> None:
    assert family(more) == family(AGG)
    assert {p.name for p in expand(AGG)} <= {p.name for p in expand(more)}


@pytest.mark.parametrize("word", ["+model=tiny-llama", "load.count=40", "load.rate=1,2"])
def test_a_sweep_of_another_fixed_value_or_key_is_another_sweep(word: str) -> None:
    assert family([*AGG[:1], *AGG[2:], word]) != family(AGG)


def test_a_varied_key_and_its_one_value_are_told_apart() -> None:
    """A point of one value has no name for it."""
    assert family(["load.concurrency=1"]) != family(["load.concurrency=1,4"])
