"""KV caches that lie in many pieces go to another engine in parts that mooncake's queue has room for.

Mooncake's TCP transport refuses a batch that does not fit into its queue, 1024 pieces as it comes. SGLang takes a refusal for the death
of the peer, and gives up every request of the pair until a probe has succeeded. A long prompt in a cache that has been used for a while
has thousands of pieces: one of them for each page and layer, keys and values apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from armature import env

PIECES = 1024  # of a part; SGLang sends up to twelve at a time
QUEUE = 65535  # the most that mooncake takes


def install() -> None:
    """Have this process's scheduler send caches in parts. Call before it starts."""
    from sglang.srt.distributed.device_communicators.mooncake_transfer_engine import MooncakeTransferEngine

    for name in (env.MOONCAKE_TCP_QUEUE, env.MOONCAKE_TCP_WAITING):
        os.environ.setdefault(name, str(QUEUE))
    send = MooncakeTransferEngine.batch_transfer_sync

    def in_parts(self: Any, session: str, buffers: Sequence[int], peers: Sequence[int], lengths: Sequence[int]) -> int:
        return parts(lambda *part: int(send(self, session, *part)), buffers, peers, lengths)

    MooncakeTransferEngine.batch_transfer_sync = in_parts


def parts(send: Callable[..., int], *columns: Sequence[int]) -> int:
    """Call `send` with at most PIECES of each column at a time. Returns its first result that is not 0, or 0."""
    for at in range(0, len(columns[0]), PIECES):
        if result := send(*(column[at : at + PIECES] for column in columns)):
            return result
    return 0
