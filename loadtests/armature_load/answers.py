"""What an answer says: when its tokens came, how many they are, and what went wrong."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from armature_load.sse import Event, SseParser

_TOTAL = b',"total_tokens":'
_COUNTS = re.compile(rb'"completion_tokens":(\d+)' + _TOTAL + rb"(\d+)")
_TEXTS = ("content", "reasoning_content", "reasoning", "tool_calls")


class ServerError(Exception):
    """The server said in a 200 answer that it failed."""


class StreamError(Exception):
    """A stream that is not one: no JSON, or an end before its end."""


class Usage:
    """The server's own count of tokens; None where it gave none."""

    def __init__(self) -> None:
        self.input: int | None = None
        self.output: int | None = None
        self.cached: int | None = None

    def read(self, usage: dict[str, Any]) -> None:
        self.input = usage.get("prompt_tokens", self.input)
        self.output = usage.get("completion_tokens", self.output)
        details = usage.get("prompt_tokens_details")
        if details:
            self.cached = details.get("cached_tokens", self.cached)


class Repeat:
    """Knows the chunks that differ from the one before in nothing but their text and the usage's counts, so that they need not be
    decoded again.

    Nearly every chunk of an answer is such a one. What lies between the two halves is a JSON string's inside as long as it
    holds no quote and no backslash. The tail may hold the two counts that grow with each token.
    """

    __slots__ = ("_end", "_head", "_tail")

    def __init__(self) -> None:
        self._head, self._tail, self._end = b"", b"", b""

    def read(self, data: bytes) -> tuple[bytes, int | None] | None:
        """The text of `data`, and the completion tokens that its usage counts (None without a usage), when it repeats the last
        `learn`ed chunk; else None. Text is empty only beside a count."""
        head, tail, end = self._head, self._tail, self._end
        if not head or not data.startswith(head) or not data.endswith(end or tail):
            return None
        at = len(head)
        quote = data.find(b'"', at)
        text = data[at:quote]
        if b"\\" in text or not data.startswith(tail, quote):
            return None
        quote += len(tail)
        if not end:
            return (text, None) if text and quote == len(data) else None
        count, between, total = data[quote : len(data) - len(end)].partition(_TOTAL)
        return (text, int(count)) if between and count.isdigit() and total.isdigit() else None

    def learn(self, data: bytes, text: str) -> None:
        """A decoded chunk that says `text`, and nothing else of interest but perhaps a usage."""
        inside = json.dumps(text, ensure_ascii=False).encode()
        self._head, self._tail, self._end = b"", b"", b""
        if data.count(inside) != 1:
            return
        head, _, tail = data.partition(inside)
        if b'"usage":{' not in tail:
            self._head, self._tail = head + b'"', b'"' + tail
        elif counts := _COUNTS.search(tail):
            self._head, self._tail, self._end = head + b'"', b'"' + tail[: counts.start(1)], tail[counts.end(2) :]


class Streamed:
    """A streamed answer. times: of each chunk that bears tokens. tokens: how many each has; None when the server does not tell.

    A chunk bears tokens when the server says so (token ids, or a usage that grew), else when it has text.
    """

    def __init__(self, keep_text: bool) -> None:
        self.times: list[float] = []
        self.usage = Usage()
        self.chunks = 0
        self.done: float | None = None
        self._tokens: list[int] = []
        self._untold = False
        self._finished = False
        self._counted = 0
        self._parser = SseParser()
        self._text: list[str] | None = [] if keep_text else None
        self._repeat = Repeat()

    @property
    def tokens(self) -> list[int] | None:
        return None if self._untold or not self._tokens else self._tokens

    @property
    def text(self) -> str:
        return "".join(self._text or [])

    def feed(self, t: float, piece: bytes) -> None:
        """Raises ServerError and StreamError."""
        for event in self._parser.feed(piece):
            self._event(t, event)

    def end(self) -> None:
        """The answer is whole. Raises StreamError when it is not, ServerError when it holds nothing."""
        if self.done is None and not self._finished:
            raise StreamError("the stream ended before the answer was complete")
        if not self.times and not self.usage.output:
            raise ServerError("the stream contained no token")

    def _event(self, t: float, event: Event) -> None:
        if event.name == b"error":
            raise ServerError(event.data.decode(errors="replace"))
        if event.data == b"[DONE]":
            self.done = t
            return
        if (same := self._repeat.read(event.data)) is not None:
            text, counted = same
            self.chunks += 1
            self._bear(t, None if counted is None else self._grown(counted), bool(text))
            if self._text is not None:
                self._text.append(text.decode())
            return
        try:
            chunk = json.loads(event.data)
        except ValueError:
            raise StreamError(f"an event is not JSON: {event.data[:200]!r}") from None
        if not isinstance(chunk, dict):
            raise StreamError(f"an event is not a JSON object: {event.data[:200]!r}")
        if chunk.get("error"):
            raise ServerError(_error_text(chunk["error"]))
        self._chunk(t, chunk, event.data)

    def _chunk(self, t: float, chunk: dict[str, Any], data: bytes) -> None:
        self.chunks += 1
        has_text, plain = False, not chunk.get("nvext")
        for choice in chunk.get("choices") or ():
            if choice.get("finish_reason"):
                self._finished = True
            delta = choice.get("delta")
            text = choice.get("text") if delta is None else next((v for k in _TEXTS if (v := delta.get(k))), None)
            if text:
                has_text = True
                if plain and isinstance(text, str) and not choice.get("finish_reason"):
                    self._repeat.learn(data, text)
                if self._text is not None and isinstance(text, str):
                    self._text.append(text)
        self._bear(t, self._told(chunk), has_text)

    def _bear(self, t: float, told: int | None, has_text: bool) -> None:
        """Count a chunk if it bears tokens. told: how many; None when the server does not say."""
        if told or (told is None and has_text):
            self.times.append(t)
            if told is None:
                self._untold = True
            else:
                self._tokens.append(told)

    def _grown(self, counted: int) -> int:
        """The tokens that the usage counts since the last chunk."""
        new, self._counted, self.usage.output = max(0, counted - self._counted), counted, counted
        return new

    def _told(self, chunk: dict[str, Any]) -> int | None:
        """Tokens of this chunk; None when the server does not say."""
        usage = chunk.get("usage")
        if usage:
            self.usage.read(usage)
        nvext = chunk.get("nvext")
        if nvext and "completion_token_ids" in nvext:
            return len(nvext["completion_token_ids"] or ())
        if usage and chunk.get("choices"):
            return self._grown(self.usage.output or 0)
        return None


class Whole:
    """An answer that comes at once."""

    def __init__(self, keep_body: bool) -> None:
        self.usage = Usage()
        self.text = ""
        self._keep = keep_body
        self._parts: list[bytes] = []

    def feed(self, t: float, piece: bytes) -> None:
        self._parts.append(piece)

    def end(self) -> None:
        """Raises ServerError and StreamError."""
        body = b"".join(self._parts)
        if not self._keep:  # images and vectors are megabytes; reading them would hold all other requests up
            start, tail = body[:4096], body[-4096:]
            if b'"error"' in start and b'"data"' not in start:
                raise ServerError(start[:500].decode(errors="replace"))
            if (at := tail.rfind(b'"usage"')) >= 0:
                with contextlib.suppress(ValueError, AttributeError):  # a usage that is none is no reason to fail
                    self.usage.read(json.JSONDecoder().raw_decode(tail[at + 7 :].decode().lstrip(": "))[0])
            return
        try:
            answer = json.loads(body)
        except ValueError:
            raise StreamError(f"the answer is not JSON: {body[:200]!r}") from None
        if answer.get("error"):
            raise ServerError(_error_text(answer["error"]))
        self.usage.read(answer.get("usage") or {})
        choice = next(iter(answer.get("choices") or [{}]))
        self.text = choice.get("text") or (choice.get("message") or {}).get("content") or ""


def _error_text(error: object) -> str:
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
