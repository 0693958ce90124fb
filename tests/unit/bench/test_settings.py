"""What was set differently: what somebody chose comes first, and each value stands once."""

from __future__ import annotations

from typing import Any

from armature.bench.compare.settings import arranged, brought, by_value, short, telling

SWEEP: dict[str, list[Any]] = {
    "versions.sglang": ["1", "1", "2", "2"],
    "topology.roles.decode.gpus": [None, None, 1, 1],
    "load.shape.concurrency": [1, 4, 1, 4],
    "topology.name": ["agg", "agg", "disagg", "disagg"],
    "model.path": ["a", "a", "a", "b"],
}


def test_what_was_chosen_comes_first_and_what_a_topology_brings_last() -> None:
    names = ["topology.name", "model.path", "load.shape.concurrency", "versions.sglang", "topology.roles.decode.gpus"]
    assert list(arranged(SWEEP)) == names


def test_a_field_in_which_one_topology_differs_from_itself_was_chosen() -> None:
    assert brought(SWEEP) == ["topology.roles.decode.gpus"]
    assert brought(SWEEP | {"topology.roles.decode.gpus": [None, None, 1, 2]}) == []


def test_without_topologies_nothing_is_brought() -> None:
    assert brought({"topology.roles.worker.gpus": [1, 2]}) == []


def test_as_few_fields_as_tell_all_apart() -> None:
    assert telling({"topology.name": ["agg", "agg", "dp"], "same": ["x", "x", "y"], "load.rate": [1, 2, 1], "late": [1, 2, 3]}) == [
        "topology.name",
        "load.rate",
    ]


def test_each_value_stands_once_with_its_configurations() -> None:
    assert by_value(["A", "B", "C"], [[1], "x", [1]]) == [(["A", "C"], [1]), (["B"], "x")]


def test_a_name_is_shortened_where_that_is_enough() -> None:
    fields = ["topology.name", "load.shape.concurrency", "load.warmup.concurrency"]
    assert [short(f, fields) for f in fields] == ["topology", *fields[1:]]
