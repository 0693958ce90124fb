"""A batch of transfers is cut where mooncake's queue ends."""

from __future__ import annotations

import pytest

from armature.engine.scheduler.transfers import PIECES, parts


@pytest.mark.parametrize("count", [0, 1, PIECES, PIECES + 1, 5 * PIECES - 1])
def test_every_piece_is_sent_once_and_in_order(count: int) -> None:
    seen: list[tuple[int, int]] = []

    def send(here: list[int], there: list[int]) -> int:
        assert 0 < len(here) <= PIECES
        seen.extend(zip(here, there, strict=True))
        return 0

    assert parts(send, list(range(count)), list(range(count, 2 * count))) == 0
    assert seen == [(i, count + i) for i in range(count)]


def test_nothing_is_sent_after_a_failure() -> None:
    results = [0, -1, 0]
    assert parts(lambda _: results.pop(0), list(range(3 * PIECES))) == -1
    assert results == [0]
