"""A client of raw bytes: it can send what no library would, and leave when it likes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from .request import Manner, Request

PIECES, PIECE_S = 5, 0.2  # of a slow body
DAWDLE_S = 2.0  # how long a slow reader reads nothing
GREATEST = 1 << 24  # bytes of an answer that are kept


class End(StrEnum):
    """How an exchange came to its end."""

    ANSWERED = "answered"
    LEFT = "the client left"
    LATE = "no whole answer by the deadline"
    DROPPED = "the server closed the connection without a whole answer"
    REFUSED = "no connection"


@dataclass(slots=True)
class Answer:
    """What came back. status: 0 when nothing did. first_s: from the start to the answer's first body byte; whole_s: to its end."""

    end: End
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    first_s: float | None = None
    whole_s: float = 0.0

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Address:
        parts = urlsplit(url)
        return cls(parts.hostname or "127.0.0.1", parts.port or 80)


async def ask(address: Address, request: Request, deadline_s: float) -> Answer:
    """Send `request` in its manner. Never raises for what the server does."""
    began = time.monotonic()
    answer = Answer(End.LATE)
    try:
        async with asyncio.timeout(deadline_s):
            await _exchange(address, request, answer, began)
    except TimeoutError:
        answer.end = End.LATE
    except ConnectionRefusedError:
        answer.end = End.REFUSED
    except (OSError, EOFError, ValueError):  # a connection that broke, or an answer that is no HTTP
        answer.end = End.DROPPED
    answer.whole_s = time.monotonic() - began
    return answer


async def _exchange(address: Address, request: Request, answer: Answer, began: float) -> None:
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=1 << 20)
    try:
        if not await _send(writer, request):
            answer.end = End.LEFT
            return
        if request.manner is Manner.SLOW_READER:
            await asyncio.sleep(DAWDLE_S)
        for _ in range(3 if request.manner is Manner.PIPELINED else 1):
            answer.body = b""
            answer.status, answer.headers = await _head(reader)
            async for piece in _body(reader, request.method, answer):
                if answer.first_s is None:
                    answer.first_s = time.monotonic() - began
                if len(answer.body) < GREATEST:
                    answer.body += piece
                if request.manner is Manner.LEAVES_BETWEEN:
                    answer.end = End.LEFT
                    return
        answer.end = End.ANSWERED
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _send(writer: asyncio.StreamWriter, request: Request) -> bool:
    """Whether an answer is waited for."""
    headers = {"host": "hostile", "content-type": "application/json", "content-length": str(len(request.body))} | dict(request.headers)
    lines = [f"{request.method} {request.route} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    head = "\r\n".join(lines).encode()
    if request.manner is Manner.SLOW_BODY:
        writer.write(head)
        step = len(request.body) // PIECES + 1
        for at in range(0, len(request.body), step):
            await asyncio.sleep(PIECE_S)
            writer.write(request.body[at : at + step])
            await writer.drain()
        return True
    half = request.manner is Manner.HALF_A_BODY
    whole = head + (request.body[: len(request.body) // 2] if half else request.body)
    writer.write(whole * 3 if request.manner is Manner.PIPELINED else whole)
    await writer.drain()
    return request.manner not in (Manner.HALF_A_BODY, Manner.LEAVES_AT_ONCE)


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    status, headers = int(lines[0].split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}
    return await _head(reader) if status == 100 else (status, headers)


async def _body(reader: asyncio.StreamReader, method: str, answer: Answer) -> AsyncIterator[bytes]:
    if method == "HEAD" or answer.status in (204, 304):
        return
    if answer.headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif left := int(answer.headers.get("content-length", "0")):
        while left:
            piece = await reader.read(min(left, 1 << 16))
            if not piece:
                raise EOFError
            left -= len(piece)
            yield piece
