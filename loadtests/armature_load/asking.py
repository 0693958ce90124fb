"""One request: sent, read, and written down."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

import gevent
import gevent.socket
from geventhttpclient.response import HTTPParseError

from armature_load.answers import ServerError, Streamed, StreamError, Whole
from armature_load.clock import now
from armature_load.http import Answer, ClosedEarly, Connections, exchange
from armature_load.requests import Request

ERROR_BODY = 2000  # bytes of a refusal that are kept


class _RequestTimeout(BaseException):
    """The request took too long. No Exception: nothing between may take it for its own."""


@dataclass
class Outcome:
    """What came of a request. Times of the monotonic clock. scheduled: when it was due, of an open loop."""

    request: Request
    phase: str
    scheduled: float | None
    started: float = 0.0
    ended: float = 0.0
    status: int | None = None
    error: tuple[str, str] | None = None
    connect_ms: float | None = None
    answer: Streamed | Whole | None = None


class Asker:
    """Sends requests. ended: told of each outcome; it must cost next to nothing, other answers wait meanwhile."""

    def __init__(self, connections: Connections, timeout_s: float, ended: Callable[[Outcome], None]) -> None:
        self._connections = connections
        self._timeout_s = timeout_s
        self._ended = ended

    def ask(self, request: Request, phase: str, scheduled: float | None = None, keep_text: bool = False) -> tuple[bool, str]:
        """Whether it went well, and the answer's text where `keep_text`."""
        outcome = Outcome(request, phase, scheduled, started=now())
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
            self._ended(outcome)
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
                raise ServerError("stream=true was requested, but the answer is not a stream")
        return not answer.should_close()


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
