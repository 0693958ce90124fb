"""The few requests that probes make: HTTP/1.1 over an asyncio socket, one connection each, no proxy in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from armature.address import parse_url

_LIMIT = 1 << 20  # bytes of an answer that a probe looks at


@dataclass(frozen=True)
class Answer:
    """What a server answered. body: at most 1 MiB of it."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    def brief(self) -> str:
        """The answer as a few words for a message."""
        text = " ".join(self.body.decode("utf-8", "replace").split())
        return f"{self.status}" + (f": {text[:200]}" if text else "")


async def get(url: str, timeout_s: float) -> Answer:
    """GET `url`. Raises OSError when there is no connection or no proper answer, TimeoutError when it takes too long."""
    return await _ask("GET", url, b"", timeout_s)


async def post(url: str, body: Any, timeout_s: float) -> Answer:
    """POST `body` as JSON to `url`. Errors as for `get`."""
    return await _ask("POST", url, json.dumps(body).encode(), timeout_s)


async def _ask(method: str, url: str, body: bytes, timeout_s: float) -> Answer:
    parts = urlsplit(url)
    try:
        at = parse_url(url, default_port=80)
    except ValueError as e:
        raise OSError(str(e)) from None
    if parts.scheme != "http":
        raise OSError(f"not an http:// address: {url}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = [f"{method} {path} HTTP/1.1", f"Host: {at}", "Connection: close", "Accept: */*"]
    if method == "POST":
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(at.host, at.port)
        try:
            writer.write("\r\n".join([*head, "", ""]).encode() + body)
            return await _answer(reader)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as e:
            raise OSError(f"the answer broke off or is not HTTP ({e})") from e
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    status, headers = 100, dict[str, str]()
    while 100 <= status < 200:  # interim answers come before the real one
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1]) if head[0].startswith("HTTP/") and " " in head[0] else _not_http(head[0])
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, await _chunks(reader))
    if "content-length" in headers:
        length = min(int(headers["content-length"]), _LIMIT)
        return Answer(status, await reader.readexactly(length))
    return Answer(status, await reader.read(_LIMIT))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if len(body) + size > _LIMIT:
            break
        body += (await reader.readexactly(size + 2))[:-2]
    return body


def _not_http(line: str) -> int:
    raise ValueError(f"it starts with {line[:60]!r}")
