"""KV events in a JetStream stream, from which every rank's whole state can be rebuilt at any time.

Stream      one for each component of the runtime: `kv-NAMESPACE-COMPONENT`, in files, at most MAX_BYTES
Subject     `armature.kv.NAMESPACE.COMPONENT.WORKER.RANK`, one for each rank of each worker
Message     `Message` in msgpack: a rank's messages are numbered from 0
Duplicates  the server drops a message whose id, `WORKER.RANK.NUMBER`, it has seen within two minutes: a writer that did not
            hear of its message's arrival sends it once more
State       the first message of a rank, and one after every STATE_EVERY others, tells the rank's whole state. It rolls the
            subject up: the server deletes the rank's older messages. So the stream never holds much more than the state
Acks        writers wait for the server's. Readers acknowledge nothing: each rebuilds the state from the beginning
Limits      a full stream refuses what is new, so that what it holds stays whole; the writer tells its state when there is room

A writer that could not write (the server was away) tells its whole state as soon as it can. So nothing is buffered, and
nothing that was lost stays lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import nats.errors
import nats.js.errors
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from armature.engine.kv_events.mirror import Change
from armature.engine.kv_events.wire import BlockRemoved, BlockStored

if TYPE_CHECKING:
    from nats.js import JetStreamContext

STATE_EVERY = 4096  # messages of changes before the state is told again
MAX_BYTES = 4 << 30
MESSAGE_BLOCKS = 4096  # in one message, which stays below NATS's limit of 1 MiB with blocks of up to 16 tokens
MESSAGE_TOKENS = MESSAGE_BLOCKS * 16
DUPLICATES_S = 120.0
WRITE_S = 5.0
RETRY_S = 1.0
READ_S = 1.0  # a reader hears of an end of the stream after this long, at most
FETCH = 16  # messages at once: of the largest, more than the server would wait for a busy reader to take
ROLLUP = {"Nats-Rollup": "sub"}

logger = logging.getLogger(__name__)


class Message(msgspec.Struct, array_like=True, gc=False):
    """One message of a rank, whose blocks have block_size tokens. number: counts the rank's messages. state: it is part of the
    whole state, of which `part` of `parts` is in it; else a change to what went before."""

    block_size: int
    number: int
    state: bool
    part: int
    parts: int
    events: list[BlockStored | BlockRemoved]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


@dataclass(frozen=True, slots=True)
class Rank:
    """One data-parallel rank of one worker, wherever it runs."""

    worker: int
    rank: int


@dataclass(frozen=True, slots=True)
class Component:
    """A component of the runtime, and what its stream and subjects are called."""

    namespace: str
    name: str

    @property
    def stream(self) -> str:
        return f"kv-{self.namespace}-{self.name}"

    @property
    def subjects(self) -> str:
        return f"armature.kv.{self.namespace}.{self.name}.*.*"

    def subject(self, rank: Rank) -> str:
        return f"armature.kv.{self.namespace}.{self.name}.{rank.worker}.{rank.rank}"

    def rank(self, subject: str) -> Rank:
        worker, rank = subject.rsplit(".", 2)[1:]
        return Rank(int(worker), int(rank))


async def open_stream(js: JetStreamContext, component: Component) -> None:
    """Make the component's stream unless it is there."""
    with contextlib.suppress(nats.js.errors.BadRequestError):  # it is there, made with other limits: those are its owner's
        await js.add_stream(
            StreamConfig(
                name=component.stream,
                subjects=[component.subjects],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.NEW,
                max_bytes=MAX_BYTES,
                duplicate_window=DUPLICATES_S,
                allow_rollup_hdrs=True,
            )
        )


async def forget(js: JetStreamContext, component: Component, rank: Rank) -> None:
    """Delete a rank's messages: its worker is gone."""
    with contextlib.suppress(nats.errors.Error, OSError):
        await js.purge_stream(component.stream, subject=component.subject(rank))


class DurableSink:
    """One rank's way into the stream. state: the rank's blocks now, which is what the changes lead to. failed: writes that were
    not taken."""

    def __init__(
        self, js: JetStreamContext, component: Component, rank: Rank, block_size: int, state: Callable[[], Sequence[BlockStored]]
    ) -> None:
        self._js, self._component, self._rank, self._block_size, self._state = js, component, rank, block_size, state
        self._subject = component.subject(rank)
        self.failed = 0
        self._number = 0
        self._since_state = 0
        self._behind = True  # the first message tells the state
        self._writing = asyncio.Lock()

    @property
    def up_to_date(self) -> bool:
        """Whether the stream has all that is known here; else the whole state is due."""
        return not self._behind

    async def publish(self, changes: Sequence[Change]) -> None:
        """Write changes. When the server does not take them, `keep_up` writes the state later."""
        async with self._writing:
            if self._since_state >= STATE_EVERY:
                self._behind = True
            if not self._behind:
                await self._write(_batches(changes), state=False)

    async def keep_up(self) -> None:
        """Tell the state when it is due, until cancelled."""
        while True:
            async with self._writing:
                if self._behind:
                    await self._write(_batches(self._state()), state=True)
            await asyncio.sleep(RETRY_S)

    async def _write(self, batches: Sequence[Sequence[Change]], state: bool) -> None:
        try:
            for part, events in enumerate(batches):
                message = Message(self._block_size, self._number, state, part, len(batches), list(events))
                headers = {"Nats-Msg-Id": f"{self._rank.worker}.{self._rank.rank}.{self._number}"}
                await self._send(_encode(message), headers | (ROLLUP if state and part == 0 else {}))
                self._number += 1
                self._since_state = 0 if state else self._since_state + 1
        except (nats.errors.Error, OSError) as e:  # nats.js.errors are nats.errors as well
            self.failed += 1
            if not self._behind:
                logger.warning(
                    "KV events of rank %d cannot be written: %s; its whole state follows", self._rank.rank, str(e) or type(e).__name__
                )
            self._behind = True
        else:
            self._behind = False if state else self._behind

    async def _send(self, data: bytes, headers: dict[str, Any]) -> None:
        try:
            await self._js.publish(self._subject, data, timeout=WRITE_S, headers=headers)
        except nats.errors.TimeoutError:  # perhaps it arrived: its id tells
            await self._js.publish(self._subject, data, timeout=WRITE_S, headers=headers)


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader learns. events: of `rank`. whole: they are its whole state, else changes to it."""

    rank: Rank
    block_size: int
    events: Sequence[BlockStored | BlockRemoved]
    whole: bool


class _Undelivered(Exception):
    """The server has sent messages that did not come. It sends none twice to a reader that acknowledges nothing."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All that was in the stream when the reader began has been read."""


class Reader:
    """Reads a component's stream from its beginning on, without end, also over restarts of the server."""

    def __init__(self, js: JetStreamContext, component: Component) -> None:
        self._js, self._component = js, component
        self._read = 0  # the last sequence number of the stream that was read
        self._parts: dict[Rank, list[BlockStored | BlockRemoved]] = {}  # of states that are not complete
        self._numbers: dict[Rank, int] = {}
        self.missed = 0  # messages that nobody will get: their rank's next state mends it

    async def items(self) -> AsyncIterator[Read | CaughtUp]:
        """All that is and will be in the stream."""
        end: int | None = None
        told = False
        while True:
            try:
                if end is None:
                    end = (await self._js.stream_info(self._component.stream)).state.last_seq
                if not told and self._read >= end:
                    told = True
                    yield CaughtUp()
                async for subject, data in self._messages(end if not told else None):
                    for item in self._take(self._component.rank(subject), data):
                        yield item
                if not told:
                    told = True
                    yield CaughtUp()
            except nats.errors.ConnectionClosedError:
                raise  # by us; nats-py says so even to a task that is cancelled then
            except _Undelivered:
                logger.info("messages of the KV event stream were not delivered; reading them again")
            except (nats.errors.Error, OSError) as e:
                logger.info("the KV event stream is unavailable: %s", str(e) or type(e).__name__)
                await asyncio.sleep(RETRY_S)

    async def _messages(self, until: int | None) -> AsyncIterator[tuple[str, bytes]]:
        """From the message after the last one that was read, up to number `until`; without end when that is None.

        Raises _Undelivered when some must be read again.
        """
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._read + 1,
            inactive_threshold=60.0,
            mem_storage=True,
        )
        pulling = await self._js.pull_subscribe(self._component.subjects, stream=self._component.stream, config=config)
        came = 0  # the server numbers what it sends to one consumer from 1 on
        try:
            while until is None or self._read < until:
                try:
                    messages = await pulling.fetch(FETCH, timeout=READ_S)
                except nats.errors.TimeoutError:
                    info = await self._js.stream_info(self._component.stream)
                    if info.state.last_seq > self._read and info.state.messages:
                        sent = (await pulling.consumer_info()).delivered  # raises when the server has forgotten the consumer
                        if sent is not None and sent.consumer_seq > came:
                            raise _Undelivered from None
                    if until is not None and not info.state.messages:
                        self._read = max(self._read, until)
                    continue
                for message in messages:
                    if message.metadata.sequence.consumer != came + 1:
                        raise _Undelivered
                    came += 1
                    self._read = message.metadata.sequence.stream
                    yield message.subject, message.data
        finally:
            with contextlib.suppress(nats.errors.Error, OSError):
                await pulling.unsubscribe()

    def _take(self, rank: Rank, data: bytes) -> Iterator[Read]:
        try:
            message = _decode(data)
        except msgspec.MsgspecError as e:
            logger.warning("a message of the KV event stream cannot be read: %s", e)
            return
        expected = self._numbers.get(rank, message.number)
        self._numbers[rank] = message.number + 1
        if message.number > expected and not (message.state and message.part == 0):
            self.missed += message.number - expected
            logger.warning("worker %d rank %d: %d messages of KV events are missing", rank.worker, rank.rank, message.number - expected)
        if not message.state:
            yield Read(rank, message.block_size, message.events, whole=False)
            return
        if message.part == 0:
            self._parts[rank] = []
        if rank in self._parts:
            self._parts[rank] += message.events
            if message.part == message.parts - 1:
                yield Read(rank, message.block_size, self._parts.pop(rank), whole=True)


def _batches(changes: Sequence[Change]) -> list[list[Change]]:
    """`changes` in messages of a size that the server takes. At least one, empty when there are no changes."""
    batches: list[list[Change]] = [[]]
    tokens = 0
    for change in changes:
        size = len(change.token_ids) if isinstance(change, BlockStored) else len(change.block_hashes)
        if tokens and tokens + size > MESSAGE_TOKENS:
            batches.append([])
            tokens = 0
        batches[-1].append(change)
        tokens += size
    return batches
