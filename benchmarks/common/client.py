"""Raw HTTP/1.1 clients on one kept connection: for load (asyncio) and for latency (a blocking socket)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from armature import control

ANSWER_S = 60.0


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


class Wire:
    """One kept connection that is read by a thread which waits for nothing else.

    What the client itself does is no part of a server's latency: a request's bytes are made before the clock starts, and
    an answer is parsed after it has been read, each piece with the time at which it came.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0  # the last request's start, by the host's monotonic clock

    def post(self, path: str, body: dict[str, Any]) -> list[tuple[float, bytes]]:
        """Send, and read the whole answer: (seconds since the sending, line of the body) of each.

        Raises RuntimeError for a status other than 200.
        """
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        request = head.encode() + data
        pieces: list[tuple[float, bytes]] = []
        whole = b""
        self.began = began = time.perf_counter()
        self._socket.sendall(request)
        while not _complete(whole):
            piece = self._socket.recv(1 << 16)
            now = time.perf_counter()
            if not piece:
                raise RuntimeError(f"{path}: the connection was closed")
            pieces.append((now - began, piece))
            whole += piece
        if not whole.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {whole[:500]!r}")
        return _lines(pieces)

    def close(self) -> None:
        self._socket.close()


def _complete(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n")  # chunked


def _lines(pieces: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    lines, rest = [], b""
    for seconds, piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        lines += [(seconds, line) for line in whole]
    return [*lines, (pieces[-1][0], rest)]


def first_text(wire: Wire, model: str, prompt: str, max_tokens: int) -> float | None:
    """Seconds from sending a streamed completion to its first event with text; None when it has no text."""
    body = {"model": model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True, "stream": True}
    for seconds, line in wire.post("/v1/completions", body):
        if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["text"]:
            return seconds
    return None


def engine_chunks(folder: Path, token_ids: list[int], max_tokens: int) -> list[tuple[float, list[int]]]:
    """(seconds since the call, new token ids) of each chunk that the engine gave in its own process. folder: the worker's, of commands."""
    answer = control.call(folder, "bench/first_token", {"token_ids": token_ids, "max_tokens": max_tokens}, ANSWER_S)
    return [(seconds, ids) for seconds, ids in answer["chunks"]]


def passed(folder: Path) -> tuple[float, float]:
    """When the worker's last request came to it, and when its first chunk left, by the host's monotonic clock."""
    answer = control.call(folder, "bench/passed", {}, ANSWER_S)
    return answer["entered"], answer["left"]
