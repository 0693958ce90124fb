"""The blocks of one rank, as the router has been told. A batch goes in, and what of it is news for the router comes out."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from armature.engine.kv_events.wire import DEVICE, AllBlocksCleared, BlockRemoved, BlockStored, Event

PIECE = 512  # blocks in one Stored, at most: messages of the planes have a limit


@dataclass(frozen=True, slots=True)
class Stored:
    """Blocks that follow each other. parent: the hash of the block before them, None when they begin a prompt.

    token_ids: of all of them, block_size tokens for each.
    """

    hashes: Sequence[int]
    parent: int | None
    token_ids: Sequence[int]
    block_size: int


@dataclass(frozen=True, slots=True)
class Removed:
    """Blocks that are gone."""

    hashes: Sequence[int]


Change = Stored | Removed


@dataclass(frozen=True, slots=True)
class _Block:
    parent: int | None
    tokens: array[int]  # four bytes for each


class Mirror:
    """The blocks of one rank, each known by its hash.

    orphans: how many blocks were left out so far, because the one before them is not known: no router could use them.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}  # parents before children
        self.orphans = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, block: int) -> bool:
        return block in self._blocks

    def apply(self, events: Sequence[Event]) -> list[Change]:
        """Take one batch over; returns what changed by it. A batch that begins with AllBlocksCleared is a whole state: only
        the difference to the state before is a change."""
        if events and isinstance(events[0], AllBlocksCleared):
            return self._replace(events[1:])
        changes: list[Change] = []
        for event in events:
            match event:
                case BlockStored(medium=medium) if medium in DEVICE:
                    changes += self._store(event)
                case BlockRemoved(medium=medium) if medium in DEVICE:
                    changes += self._remove(event.block_hashes)
                case AllBlocksCleared():
                    changes += self.clear()
        return changes

    def clear(self) -> list[Change]:
        """Forget all blocks; returns the change."""
        return self._remove(list(reversed(self._blocks)))

    def state(self) -> Iterator[Stored]:
        """All blocks, parents before children, in pieces of what can stand together."""
        run: list[int] = []
        for block in self._blocks:
            if run and (self._blocks[block].parent != run[-1] or len(run) == PIECE):
                yield self._piece(run)
                run = []
            run.append(block)
        if run:
            yield self._piece(run)

    def _replace(self, events: Sequence[Event]) -> list[Change]:
        new = Mirror()
        new.apply(events)
        gone = [block for block in reversed(self._blocks) if block not in new]
        changes = self._remove(gone)
        for stored in new.state():
            changes += self._store(
                BlockStored(list(stored.hashes), stored.parent, list(stored.token_ids), stored.block_size),
            )
        self._blocks = new._blocks
        self.orphans += new.orphans
        return changes

    def _store(self, event: BlockStored) -> list[Change]:
        """Blocks that are known already are left out; what comes after them is a change."""
        size, parent = event.block_size, event.parent_block_hash
        if parent is not None and parent not in self._blocks:
            self.orphans += len(event.block_hashes)
            return []
        changes: list[Change] = []
        run: list[int] = []
        for i, block in enumerate(event.block_hashes):
            if block in self._blocks:
                changes += [self._piece(run)] if run else []
                run = []
            else:
                self._blocks[block] = _Block(parent, array("i", event.token_ids[i * size : (i + 1) * size]))
                run.append(block)
                if len(run) == PIECE:
                    changes.append(self._piece(run))
                    run = []
            parent = block
        return [*changes, self._piece(run)] if run else changes

    def _remove(self, blocks: Iterable[int]) -> list[Change]:
        gone = [block for block in blocks if self._blocks.pop(block, None) is not None]
        return [Removed(gone[i : i + PIECE]) for i in range(0, len(gone), PIECE)]

    def _piece(self, run: Sequence[int]) -> Stored:
        tokens = array("i")
        for block in run:
            tokens += self._blocks[block].tokens
        first = self._blocks[run[0]]
        return Stored(tuple(run), first.parent, tokens, len(first.tokens))
