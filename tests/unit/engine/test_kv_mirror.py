"""The mirror of a rank's blocks: what goes in, what comes out as news, and that a follower of the news ends up the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.engine.kv_events.mirror import PIECE, Mirror
from armature.engine.kv_events.wire import AllBlocksCleared, BlockRemoved, BlockStored, Event

SIZE = 4


def stored(hashes: list[int], parent: int | None = None, medium: str | None = None) -> BlockStored:
    """Blocks whose tokens tell which block they are in."""
    return BlockStored(hashes, parent, [h for h in hashes for _ in range(SIZE)], SIZE, medium)


def blocks(mirror: Mirror) -> dict[int, tuple[int | None, list[int]]]:
    """hash -> (parent, tokens), by the mirror's own account of its state."""
    found: dict[int, tuple[int | None, list[int]]] = {}
    for event in mirror.state():
        parent = event.parent_block_hash
        for i, block in enumerate(event.block_hashes):
            found[block] = (parent, list(event.token_ids[i * SIZE : (i + 1) * SIZE]))
            parent = block
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[list[Event]]:
    """Batches as a radix cache makes them: chains of blocks, evictions of those that no block follows, and now and then an end of all."""
    parents: dict[int, int | None] = {}
    batches: list[list[Event]] = []
    fresh = 1
    for _ in range(draw(st.integers(1, 12))):
        batch: list[Event] = []
        for _ in range(draw(st.integers(1, 4))):
            kind = draw(st.sampled_from(["store", "store", "store", "again", "remove", "clear"]))
            if kind == "store":
                count, parent = draw(st.integers(1, 5)), draw(st.sampled_from([None, *parents]))
                batch.append(stored(list(range(fresh, fresh + count)), parent))
                for block in range(fresh, fresh + count):
                    parents[block] = parent
                    parent = block
                fresh += count
            elif kind == "again" and parents:
                block = draw(st.sampled_from(list(parents)))
                batch.append(stored([block], parents[block]))
            elif kind == "remove" and parents:
                leaf = draw(st.sampled_from([b for b in parents if b not in parents.values()]))
                del parents[leaf]
                batch.append(BlockRemoved([leaf]))
            elif kind == "clear":
                batch.append(AllBlocksCleared())
                parents.clear()
        batches.append(batch)
    return batches


@given(histories())
def test_a_follower_of_the_news_has_the_same_blocks(batches: list[list[Event]]) -> None:
    mirror, follower = Mirror(), Mirror()
    for batch in batches:
        follower.apply(mirror.apply(batch))
        assert set(follower) == set(mirror)


@given(histories())
def test_the_state_rebuilds_the_mirror(batches: list[list[Event]]) -> None:
    mirror, again = Mirror(), Mirror()
    for batch in batches:
        mirror.apply(batch)
    again.apply(mirror.state())
    assert blocks(again) == blocks(mirror)
    assert mirror.orphans == again.orphans == 0


@given(histories(), histories())
def test_a_whole_state_turns_any_mirror_into_that_state(before: list[list[Event]], after: list[list[Event]]) -> None:
    mirror, follower, truth = Mirror(), Mirror(), Mirror()
    for batch in before:
        follower.apply(mirror.apply(batch))
    for batch in after:
        truth.apply(batch)
    follower.apply(mirror.apply([AllBlocksCleared(), *truth.state()]))
    assert set(mirror) == set(truth)
    assert set(follower) == set(truth)


def test_a_whole_state_that_is_known_is_no_news() -> None:
    mirror = Mirror()
    mirror.apply([stored([1, 2, 3]), stored([4], parent=2)])
    assert mirror.apply([AllBlocksCleared(), *mirror.state()]) == []


def test_blocks_that_are_known_are_no_news() -> None:
    mirror = Mirror()
    mirror.apply([stored([1, 2])])
    assert [c.block_hashes for c in mirror.apply([stored([1, 2, 3])])] == [[3]]


def test_news_of_a_long_prompt_comes_in_pieces_that_follow_each_other() -> None:
    changes = Mirror().apply([stored(list(range(1, 2 * PIECE + 2)))])
    assert [len(c.block_hashes) for c in changes] == [PIECE, PIECE, 1]
    assert [c.parent_block_hash for c in changes if isinstance(c, BlockStored)] == [None, PIECE, 2 * PIECE]


def test_blocks_after_an_unknown_one_are_left_out_and_counted() -> None:
    mirror = Mirror()
    assert mirror.apply([stored([2, 3], parent=1)]) == []
    assert mirror.orphans == 2


@pytest.mark.parametrize("event", [stored([1], medium="CPU"), BlockRemoved([7], medium="CPU")], ids=["stored", "removed"])
def test_blocks_beyond_the_device_do_not_count(event: Event) -> None:
    mirror = Mirror()
    mirror.apply([stored([7])])
    assert mirror.apply([event]) == []
    assert list(mirror) == [7]


def test_unknown_blocks_are_removed_without_a_word() -> None:
    assert Mirror().apply([BlockRemoved([1])]) == []
