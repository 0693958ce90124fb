"""How chunks leave a worker: one stream function, two ways out.

A role gives one function, `stream(request, context)`, an async iterator of response dicts. The runtime can take its
chunks in two ways:

- pull: the runtime asks the iterator for each chunk. It crosses from its threads into the event loop once per chunk.
- push: the runtime starts the handler once per request; each chunk is handed over by a plain call, without a crossing.

Neither makes a task per chunk. A request whose client went away is told of once, through a future that the runtime
completes (`on_cancel`): also no task, and it works before the first token as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Literal, Protocol

from armature.errors import UserError, nearest

Egress = Literal["pull", "push"]
EGRESSES: tuple[Egress, ...] = ("pull", "push")
Chunk = dict[str, Any]


def check_egress(name: str) -> Egress:
    """`name` if there is such an egress; else a UserError with the nearest name."""
    for egress in EGRESSES:
        if egress == name:
            return egress
    guess = nearest(name, EGRESSES)
    raise UserError(
        f"there is no egress {name!r}",
        where="--egress",
        expected=" | ".join(EGRESSES),
        fix=f"did you mean {guess!r}?" if guess else None,
    )


class Context(Protocol):
    """What this project uses of the runtime's context of a request."""

    def id(self) -> str | None: ...
    def is_stopped(self) -> bool: ...
    def async_killed_or_stopped(self) -> Awaitable[bool]: ...


class Sender(Protocol):
    """The runtime's way out in push mode."""

    def send(self, obj: Chunk) -> None: ...
    def close(self) -> None: ...


Stream = Callable[[dict[str, Any], Context], AsyncIterator[Chunk]]
Handler = Callable[..., AsyncIterator[Chunk]]


class InFlight:
    """How many requests a worker is answering."""

    def __init__(self) -> None:
        self.count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self.count += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        if not self.count:
            self._idle.set()

    async def drained(self, timeout_s: float) -> bool:
        """Wait until nothing is in flight, at most `timeout_s` seconds. Returns whether that came true."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return False
        return True


@contextlib.contextmanager
def emptied(request: dict[str, Any]) -> Iterator[None]:
    """At the end, take out what the request holds. The runtime keeps the last error of a process, by whose frames a prompt of
    megabytes would stay until the next one."""
    try:
        yield
    finally:
        request.clear()


def handler(stream: Stream, egress: Egress, in_flight: InFlight) -> Handler:
    """The handler that the runtime takes for `stream`."""
    return push(stream, in_flight) if egress == "push" else pull(stream, in_flight)


def pull(stream: Stream, in_flight: InFlight) -> Handler:
    """The runtime asks for each chunk."""

    async def handle(request: dict[str, Any], context: Context) -> AsyncIterator[Chunk]:
        with in_flight, emptied(request):
            async for chunk in stream(request, context):
                yield chunk

    return handle


def push(stream: Stream, in_flight: InFlight) -> Handler:
    """Each chunk is handed over as it comes. The runtime knows the handler by its parameter `response_sender`.

    The runtime calls it without a sender for calls within one process; then it pulls.
    """

    async def handle(request: dict[str, Any], context: Context, response_sender: Sender | None = None) -> AsyncIterator[Chunk]:
        with in_flight, emptied(request):
            if response_sender is None:
                async for chunk in stream(request, context):
                    yield chunk
                return
            send = response_sender.send
            async for chunk in stream(request, context):
                send(chunk)
            response_sender.close()

    return handle


class on_cancel:
    """While inside, call `action` once when the client of `context` goes away or its request is stopped."""

    __slots__ = ("_future",)

    def __init__(self, context: Context, action: Callable[[], None]) -> None:
        # The runtime returns an asyncio future, so a callback is enough: no task waits.
        self._future = asyncio.ensure_future(context.async_killed_or_stopped())
        self._future.add_done_callback(lambda f: None if f.cancelled() else action())

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._future.cancel()
