"""The publisher of KV events: SGLang's own over ZMQ, with two differences.

It binds the address that it is given: SGLang's binds wildcards only, and connects to anything else, an IPv6 address apart.
And it can be asked for the whole state. SGLang replays the batches that it still remembers; when a gap is older than
that, the subscriber asks for KV_RESEND, and the next batch is `AllBlocksCleared` and one `BlockStored` for every run of
blocks that the rank holds. They come from a mirror of all that was ever published here, where nothing can get lost: the
prefix cache itself, when it is SGLang's Rust one, cannot be walked.
"""

from __future__ import annotations

import logging
import queue
import time
from itertools import islice
from typing import Any

import msgspec
import zmq
from sglang.srt.disaggregation.kv_events import EventPublisherFactory, ZmqEventPublisher

from armature.engine.kv_events.mirror import Mirror
from armature.engine.kv_events.wire import AllBlocksCleared, read_batch, write_batch
from armature.engine.types import KV_PUBLISHER, KV_RESEND

LOOK_S = 0.1  # how long a question may wait while there is nothing to publish

logger = logging.getLogger(__name__)


def install() -> None:
    """Make the publisher known to SGLang. Once a process, before its scheduler is made."""
    EventPublisherFactory.register_publisher(KV_PUBLISHER, KvEventPublisher)


class KvEventPublisher(ZmqEventPublisher):
    """See the module. One thread publishes and answers; the scheduler only puts its batches into a queue."""

    def _socket_setup(self) -> None:
        self._pub = self._bound(zmq.PUB, self._endpoint, self._hwm)
        # A ROUTER drops what a slow peer has no room for: then a replay would have gaps of its own.
        self._replay = self._bound(zmq.ROUTER, self._replay_endpoint, 0)
        self._mirror = Mirror()

    def _bound(self, kind: int, endpoint: str, send_limit: int) -> Any:
        s = self._ctx.socket(kind)
        s.setsockopt(zmq.IPV6, int("[" in endpoint))
        s.setsockopt(zmq.LINGER, 0)
        s.set_hwm(send_limit)
        s.bind(endpoint)
        return s

    def _publisher_thread(self) -> None:
        encode = msgspec.msgpack.Encoder().encode
        while self._running:
            try:
                if self._replay.poll(0):
                    self._answer()
                batch = self._event_queue.get(timeout=LOOK_S)
                if batch is not None:
                    data = encode(batch)
                    self._mirror.apply(read_batch(data)[1])
                    self._send(data)
            except queue.Empty:
                continue
            except zmq.ZMQError as e:
                logger.error("KV events: %s", e)

    def _send(self, data: bytes) -> None:
        seq = next(self._seq_gen)
        self._buffer.append((seq, data))
        self._pub.send_multipart((self._topic_bytes, seq.to_bytes(8, "big"), data))

    def _answer(self) -> None:
        """One question on the replay socket."""
        client, *_, start = self._replay.recv_multipart()
        if start == KV_RESEND:
            self._send(write_batch(time.time(), [AllBlocksCleared(), *self._mirror.state()], self._dp_rank))
        elif self._buffer:
            first = self._buffer[0][0]  # the buffer's sequence numbers follow each other
            for seq, data in islice(self._buffer, max(0, int.from_bytes(start, "big") - first), None):
                self._replay.send_multipart((client, b"", seq.to_bytes(8, "big"), data))
        self._replay.send_multipart((client, b"", self.END_SEQ, b""))
