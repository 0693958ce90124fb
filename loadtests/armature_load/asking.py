"""One request: sent, read, and written down."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import gevent
import gevent.socket
from geventhttpclient.response import HTTPParseError

from armature_load.answers import ServerError, Streamed, StreamError, Whole
from armature_load.clock import Clock, now
from armature_load.http import Answer, ClosedEarly, Connections, exchange
from armature_load.records import VERSION
from armature_load.requests import Request

ERROR_BODY = 2000  # bytes of a refusal that are kept


class _RequestTimeout(BaseException):
    """The request took too long. No Exception: nothing between may take it for its own."""


@dataclass
class Outcome:
    """What came of a request. Times of the monotonic clock; started: None when it could not be sent."""

    request: Request
    started: float | None = None
    ended: float = 0.0
    status: int | None = None
    error: tuple[str, str] | None = None
    connect_ms: float | None = None
    answer: Streamed | Whole | None = None


class Asker:
    """Sends requests. write: gets each record, with its outcome."""

    def __init__(
        self, connections: Connections, clock: Clock, process: int, timeout_s: float, write: Callable[[dict[str, Any], Outcome], None]
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._process = process
        self._timeout_s = timeout_s
        self._write = write
        self._count = 0

    def ask(self, request: Request, phase: str, scheduled: float | None = None, keep_text: bool = False) -> tuple[bool, str]:
        """Whether it went well, and the answer's text where `keep_text`. scheduled: when it was due, of an open loop."""
        outcome = Outcome(request)
        called = now()
        try:
            self._try(outcome, keep_text)
        except gevent.GreenletExit:
            outcome.error = ("client", "cut off: the run ended")
            raise
        except BaseException as e:
            outcome.error = _kind(e, outcome)
            if not isinstance(e, Exception | _RequestTimeout):
                raise
        finally:
            outcome.ended = outcome.ended or now()
            if outcome.started is None:
                outcome.started = called  # it could not even be sent
            self._write(self._record(outcome, phase, scheduled), outcome)
        return outcome.error is None, getattr(outcome.answer, "text", "")

    def _try(self, outcome: Outcome, keep_text: bool) -> None:
        request = outcome.request
        data = self._connections.post(request.path, request.body)
        with gevent.Timeout(self._timeout_s, _RequestTimeout()):
            sock, outcome.connect_ms = self._connections.take()
            keep = False
            try:
                outcome.started = now()
                keep = self._read(sock, data, outcome, keep_text)
            finally:
                if keep:
                    self._connections.give(sock)
                else:
                    sock.close()

    def _read(self, sock: gevent.socket.socket, data: bytes, outcome: Outcome, keep_text: bool) -> bool:
        """Whether the connection can be used again."""
        refusal = bytearray()
        request = outcome.request

        def on_piece(t: float, answer: Answer, piece: bytes) -> None:
            if outcome.answer is None:
                outcome.status = answer.get_code()
                streams = request.streams and "text/event-stream" in str(answer.get("content-type", ""))
                plain = request.user in ("embeddings", "images")
                outcome.answer = Streamed(keep_text) if streams else Whole(keep_body=not plain)
            if outcome.status != 200:
                refusal.extend(piece[: ERROR_BODY - len(refusal)])
            else:
                outcome.answer.feed(t, piece)

        answer = exchange(sock, data, on_piece)
        outcome.ended = now()
        outcome.status = answer.get_code()
        if outcome.status != 200:
            outcome.error = ("http", refusal.decode(errors="replace") or f"HTTP {outcome.status}")
        elif outcome.answer is None:
            raise StreamError("the answer is empty")
        else:
            outcome.answer.end()
            if isinstance(outcome.answer, Streamed):
                outcome.ended = outcome.answer.done or outcome.ended
            elif request.streams:
                raise ServerError("the answer is no stream, though one was asked for")
        return not answer.should_close()

    def _record(self, o: Outcome, phase: str, scheduled: float | None) -> dict[str, Any]:
        assert o.started is not None
        origin = o.started if scheduled is None else scheduled
        streamed = o.answer if isinstance(o.answer, Streamed) else None
        times = streamed.times if streamed else []
        usage = o.answer.usage if o.answer else None
        tokens = streamed.tokens if streamed else None
        self._count += 1
        return {
            "v": VERSION,
            "id": f"{self._process}-{self._count}",
            "process": self._process,
            "user": o.request.user,
            "class": o.request.title,
            "phase": phase,
            "scheduled": None if scheduled is None else self._clock.unix(scheduled),
            "started": self._clock.unix(o.started),
            "ended": self._clock.unix(o.ended),
            "ok": o.error is None,
            "status": o.status,
            "error": {"kind": o.error[0], "text": o.error[1]} if o.error else None,
            "ttft_ms": _ms(times[0] - origin) if times else None,
            "e2e_ms": _ms(o.ended - origin),
            "connect_ms": None if o.connect_ms is None else round(o.connect_ms, 3),
            "gaps_ms": [_ms(b - a) for a, b in pairwise(times)],
            "chunk_tokens": tokens if tokens and len(tokens) == len(times) else None,
            "chunks": len(times),
            "asked_input": o.request.asked_input,
            "asked_output": o.request.asked_output,
            "input_tokens": usage.input if usage else None,
            "output_tokens": usage.output if usage else None,
            "cached_tokens": usage.cached if usage else None,
            "session": o.request.session,
            "turn": o.request.turn,
            "prompt_seed": o.request.seed,
        }


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)


def _kind(e: BaseException, outcome: Outcome) -> tuple[str, str]:
    """The kind of error, and its text."""
    text = str(e) or type(e).__name__
    if isinstance(e, _RequestTimeout):
        return "timeout", "the request took longer than --timeout-s"
    if isinstance(e, ServerError):
        return "server", text
    if isinstance(e, StreamError | HTTPParseError):
        return "stream", text
    if isinstance(e, ClosedEarly):
        return ("stream" if e.began else "connection"), text
    if isinstance(e, TimeoutError):
        return "timeout", "the connection took longer than connect_timeout_s"
    if isinstance(e, OSError | socket.gaierror):
        return ("stream" if outcome.answer is not None else "connection"), text
    return "client", f"{type(e).__name__}: {text}"
