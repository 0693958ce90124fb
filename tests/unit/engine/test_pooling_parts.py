"""Inputs are given to the scheduler in parts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from armature.engine.pooling_engine import parts


@given(st.lists(st.lists(st.integers(), max_size=2), max_size=30), st.integers(1, 9))
def test_parts_are_the_whole_in_order(inputs: list[list[int]], size: int) -> None:
    found = list(parts(inputs, size))
    assert [ids for _, part in found for ids in part] == inputs
    assert all(len(part) <= size for _, part in found)
    assert [first for first, _ in found] == list(range(0, len(inputs), size))
