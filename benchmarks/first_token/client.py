"""A raw HTTP/1.1 client on one kept connection, and a client of the worker's timing route. asyncio only."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass
class Connection:
    """One connection that is kept between requests."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(reader, writer)

    async def post(self, path: str, body: dict[str, Any]) -> AsyncIterator[bytes]:
        """Send, then the answer's body piece by piece as it comes. Raises RuntimeError for a status other than 200."""
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.writer.write(head.encode() + data)
        status = (await self.reader.readline()).split()[1]
        headers = {}
        while line := (await self.reader.readline()).strip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        if status != b"200":
            raise RuntimeError(f"{path}: HTTP {status.decode()}: {await self.reader.read(500)!r}")
        if b"content-length" in headers:
            yield await self.reader.readexactly(int(headers[b"content-length"]))
            return
        while size := int(await self.reader.readline(), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def first_text(connection: Connection, model: str, prompt: str, max_tokens: int) -> float | None:
    """Seconds from sending a streamed completion to its first event with text; None when it has no text."""
    body = {"model": model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True, "stream": True}
    first, rest = None, b""
    began = time.perf_counter()
    async for piece in connection.post("/v1/completions", body):
        now = time.perf_counter()
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if first is None and line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["text"]:
                first = now - began
    return first


async def engine_chunks(connection: Connection, token_ids: list[int], max_tokens: int) -> list[tuple[float, list[int]]]:
    """(seconds since the call, new token ids) of each chunk that the engine gave in its own process."""
    pieces = [p async for p in connection.post("/engine/bench/first_token", {"token_ids": token_ids, "max_tokens": max_tokens})]
    return [(seconds, ids) for seconds, ids in json.loads(b"".join(pieces))["chunks"]]
