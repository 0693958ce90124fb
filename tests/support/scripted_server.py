"""An OpenAI-compatible server that does what each request's `script` says, and remembers what it was asked.

script: first_ms, gap_ms (delays), die_after (tokens, then the connection is cut), error_after (tokens, then an error event),
status (a refusal instead of an answer), stream (false: answers at once whatever was asked), textless (N: each N-th token
has no text of its own, and a chunk only where tokens are counted), counts (whether it knows continuous_usage_stats: yes, ignores, refuses).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

MODEL = "scripted"
PROBE = "How many tokens?"


@dataclass(frozen=True)
class Asked:
    """at: Unix time. connection: a number of the connection that it came by."""

    at: float
    path: str
    body: dict[str, Any]
    connection: int


@dataclass
class ScriptedServer:
    """What it was asked, and how many requests it had at once. probes: what a load asked before it began."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    probes: list[Asked] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    _connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        connection = self._connections
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                length = next((int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
                body = json.loads(await reader.readexactly(length)) if length else {}
                if length:
                    (self.probes if PROBE in json.dumps(body) else self.asked).append(Asked(time.time(), path, body, connection))
                self.running += 1
                self.most_running = max(self.most_running, self.running)
                try:
                    kept = await self._answer(writer, path, body)
                finally:
                    self.running -= 1
                if not kept:
                    break
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> bool:
        script = body.get("script") or {}
        if "status" in script:
            await _whole(writer, script["status"], {"error": {"message": "as the script says"}})
            return True
        if _counts(body) and script.get("counts") == "refuses":
            await _whole(writer, 400, {"error": {"message": "stream_options.continuous_usage_stats: unknown"}})
            return True
        if path == "/v1/models":
            await _whole(writer, 200, {"data": [{"id": MODEL}]})
            return True
        await asyncio.sleep(script.get("first_ms", 2) / 1e3)
        if not path.endswith("completions"):
            usage = {"prompt_tokens": 7, "total_tokens": 7}
            await _whole(writer, 200, {"data": [{"b64_json": "x" * 9000}], "usage": usage})
            return True
        if not body.get("stream") or script.get("stream") is False:
            message = {"message": {"content": "word"}} if "chat" in path else {"text": "word"}
            await _whole(writer, 200, {"choices": [message], "usage": _usage(body, 1)})
            return True
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        async for event in _events(path, body, script):
            if event is None:
                writer.transport.abort()
                return False
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


async def _events(path: str, body: dict[str, Any], script: dict[str, Any]) -> AsyncIterator[bytes | None]:
    tokens = body["max_tokens"]
    ids = (body.get("nvext") or {}).get("extra_fields") == ["completion_token_ids"]
    each, textless = _counts(body) and script.get("counts", "yes") == "yes", script.get("textless", tokens + 1)
    for k in range(1, tokens + 1):
        if k > 1:
            await asyncio.sleep(script.get("gap_ms", 1) / 1e3)
        finish = "length" if k == tokens else None
        text = f"w{k} " if k % textless else ""
        if not text and not (ids or each or finish):
            continue
        said = {"delta": {"content": text} if text else {}} if "chat" in path else {"text": text}
        more = {"nvext": {"completion_token_ids": [k]}} if ids else {}
        if each:
            more["usage"] = {name: n for name, n in _usage(body, k).items() if isinstance(n, int)}
        yield b"data: " + json.dumps({"choices": [{"index": 0, "finish_reason": finish, **said}], **more}).encode() + b"\n\n"
        if k == script.get("die_after"):
            yield None
        if k == script.get("error_after"):
            yield b'event: error\ndata: {"message": "as the script says"}\n\n'
            return
    yield b"data: " + json.dumps({"choices": [], "usage": _usage(body, tokens)}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _counts(body: dict[str, Any]) -> bool:
    """Whether the client asks for the usage in each chunk."""
    return bool((body.get("stream_options") or {}).get("continuous_usage_stats"))


def _usage(body: dict[str, Any], tokens: int) -> dict[str, Any]:
    prompt = body.get("prompt") or json.dumps(body.get("messages"))
    length = len(prompt) if isinstance(prompt, list) else len(prompt.split())
    counts = {"prompt_tokens": length, "completion_tokens": tokens, "total_tokens": length + tokens}
    return counts | {"prompt_tokens_details": {"cached_tokens": 3}}


async def _whole(writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    writer.write(b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data)
    await writer.drain()


@contextlib.contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """One that runs in a thread until the end."""
    server, ready, stop = ScriptedServer(), threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 22)
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()
