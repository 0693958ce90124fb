"""The blocks of one rank. A batch of events goes in, and what of it is news comes out."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from armature.engine.kv_events.wire import DEVICE, AllBlocksCleared, BlockRemoved, BlockStored, Event

PIECE = 512  # blocks in one event, at most: messages of the planes have a limit

Change = BlockStored | BlockRemoved


@dataclass(frozen=True, slots=True)
class _Block:
    parent: int | None
    tokens: array[int]  # four bytes for each


class Mirror:
    """The blocks that a rank has on its device, each known by its hash.

    orphans: how many blocks were left out so far, because the one before them is not known: no router could use them.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}  # parents before children
        self.orphans = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, block: int) -> bool:
        return block in self._blocks

    def __iter__(self) -> Iterator[int]:
        return iter(self._blocks)

    def apply(self, events: Sequence[Event]) -> list[Change]:
        """Take one batch over; returns what changed by it, in events of at most PIECE blocks.

        A batch that begins with AllBlocksCleared is a whole state: only the difference to the state before is a change.
        """
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

    def state(self) -> list[BlockStored]:
        """All blocks, parents before children."""
        return list(self._pieces(self._blocks))

    def _replace(self, events: Sequence[Event]) -> list[Change]:
        new = Mirror()
        new.apply(events)
        gone = self._remove([block for block in reversed(self._blocks) if block not in new])
        added = list(new._pieces(block for block in new if block not in self))
        self._blocks = new._blocks
        self.orphans += new.orphans
        return [*gone, *added]

    def _store(self, event: BlockStored) -> Iterable[BlockStored]:
        """Blocks that are known already are no news."""
        size, parent, added = event.block_size, event.parent_block_hash, []
        if parent is not None and parent not in self._blocks:
            self.orphans += len(event.block_hashes)
            return ()
        for i, block in enumerate(event.block_hashes):
            if block not in self._blocks:
                self._blocks[block] = _Block(parent, array("i", event.token_ids[i * size : (i + 1) * size]))
                added.append(block)
            parent = block
        return self._pieces(added)

    def _remove(self, blocks: Iterable[int]) -> list[Change]:
        gone = [block for block in blocks if self._blocks.pop(block, None) is not None]
        return [BlockRemoved(gone[i : i + PIECE]) for i in range(0, len(gone), PIECE)]

    def _pieces(self, blocks: Iterable[int]) -> Iterator[BlockStored]:
        """`blocks` in order; those that follow each other in a prompt stand together."""
        run: list[int] = []
        for block in blocks:
            if run and (self._blocks[block].parent != run[-1] or len(run) == PIECE):
                yield self._piece(run)
                run = []
            run.append(block)
        if run:
            yield self._piece(run)

    def _piece(self, run: list[int]) -> BlockStored:
        tokens = array("i")
        for block in run:
            tokens += self._blocks[block].tokens
        first = self._blocks[run[0]]
        return BlockStored(run, first.parent, tokens.tolist(), len(first.tokens))
