"""When the router has heard everything."""

from __future__ import annotations

import time
from typing import Any

from support.caches import engines, router

SETTLE_S = 10.0


def settled(served: Any, endpoint: str = "armature.backend.generate") -> None:
    """The router's index comes to equal the engines' caches, of which each holds something."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        truth, _ = engines(served.up)
        index = router(served.up, endpoint)
        if index == truth or time.monotonic() > deadline:
            break
    assert {rank: len(blocks) for rank, blocks in index.items()} == {rank: len(blocks) for rank, blocks in truth.items()}
    assert index == truth
    assert all(truth.values())
