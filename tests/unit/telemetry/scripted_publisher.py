"""An engine's publisher of KV events that loses what it is told to lose."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator

import zmq.asyncio

from armature.engine.types import KV_RESEND, KvEventSource

END = (2**64 - 1).to_bytes(8, "big")


class Publisher:
    """Numbers its batches from 0. remembers: how many of the last ones it can replay. answers: whether it replays at all."""

    def __init__(self, context: zmq.asyncio.Context, host: str = "127.0.0.1", remembers: int = 1000) -> None:
        self._pub, self._replay = context.socket(zmq.PUB), context.socket(zmq.ROUTER)
        ports = []
        for s in (self._pub, self._replay):
            s.setsockopt(zmq.IPV6, int("[" in host))
            s.setsockopt(zmq.LINGER, 0)
            s.set_hwm(0)
            ports.append(s.bind_to_random_port(f"tcp://{host}"))
        self.source = KvEventSource(0, f"tcp://{host}:{ports[0]}", f"tcp://{host}:{ports[1]}")
        self.sent: list[bytes] = []
        self.answers = True
        self.resends = 0
        self.state: Callable[[], bytes] = lambda: b"state"
        self._remembers = remembers
        self._answering = asyncio.create_task(self._answer())

    async def publish(self, data: bytes, lose: bool = False) -> None:
        """The next batch; lost on its way or not."""
        self.sent.append(data)
        if not lose:
            await self._pub.send_multipart((b"", (len(self.sent) - 1).to_bytes(8, "big"), data))

    async def publish_all(self, count: int, lose: Collection[int] = ()) -> None:
        """`count` batches, each with its number as text."""
        for _ in range(count):
            number = len(self.sent)
            await self.publish(b"%d" % number, lose=number in lose)

    async def _answer(self) -> None:
        while True:
            client, _, start = await self._replay.recv_multipart()
            if not self.answers:
                continue
            if start == KV_RESEND:
                self.resends += 1
                await self.publish(self.state())
            else:
                for seq in range(max(int.from_bytes(start, "big"), len(self.sent) - self._remembers), len(self.sent)):
                    await self._replay.send_multipart((client, b"", seq.to_bytes(8, "big"), self.sent[seq]))
            await self._replay.send_multipart((client, b"", END, b""))

    def close(self) -> None:
        self._answering.cancel()
        self._pub.close()
        self._replay.close()


@contextlib.contextmanager
def publishing(host: str = "127.0.0.1", remembers: int = 1000) -> Iterator[tuple[Publisher, zmq.asyncio.Context]]:
    """A publisher, and a context for who listens to it."""
    context = zmq.asyncio.Context()
    publisher = Publisher(context, host, remembers)
    try:
        yield publisher, context
    finally:
        publisher.close()
        context.destroy(linger=0)
