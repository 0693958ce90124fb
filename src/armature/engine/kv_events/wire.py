"""SGLang's batches of KV events in msgpack. The fields are SGLang's; what is not used here is passed over."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

DEVICE = (None, "GPU")  # the medium of blocks that a request can use at once; others are on the host or further away


class BlockStored(msgspec.Struct, tag="BlockStored", gc=False):
    """Blocks that follow each other in one prompt were stored. parent_block_hash: the block before them; None: they begin it.

    token_ids: those of all the blocks, block_size for each.
    """

    block_hashes: list[int]
    parent_block_hash: int | None
    token_ids: list[int]
    block_size: int
    medium: str | None = None


class BlockRemoved(msgspec.Struct, tag="BlockRemoved", gc=False):
    """Blocks were evicted from `medium`."""

    block_hashes: list[int]
    medium: str | None = None


class AllBlocksCleared(msgspec.Struct, tag="AllBlocksCleared", gc=False):
    """The cache is empty."""


Event = BlockStored | BlockRemoved | AllBlocksCleared


class _Batch(msgspec.Struct, array_like=True, gc=False):
    ts: float
    events: list[Event]
    attn_dp_rank: int | None = None


_decoder = msgspec.msgpack.Decoder(_Batch)
_encoder = msgspec.msgpack.Encoder()


class UnreadableBatch(ValueError):
    """Bytes that are no batch of KV events."""


def read_batch(data: bytes) -> tuple[int | None, Sequence[Event]]:
    """The rank that a batch names, if any, and its events. Raises UnreadableBatch."""
    try:
        batch = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise UnreadableBatch(str(e)) from None
    return batch.attn_dp_rank, batch.events


def write_batch(time: float, events: Sequence[Event], rank: int) -> bytes:
    """The bytes of a batch. time: Unix time."""
    return _encoder.encode(_Batch(time, list(events), rank))
