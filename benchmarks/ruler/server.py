"""A server whose latencies are known: the first token after a fixed time, each other one a fixed gap later.

One thread, raw sockets, and a timer of the kernel set to absolute times: a chunk is due at (arrival + first + k * gap), so an
error never adds up. It writes down when it really sent each chunk, since nobody's clock is perfect.

    python benchmarks/ruler/server.py --gap-ms 5 --log sent.json      # prints its URL; SIGTERM ends it and writes the log

With --stall-after S it does nothing at all for --stall-s seconds, S seconds after the first request.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import heapq
import json
import os
import select
import signal
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

now = time.perf_counter


class Timer:
    """A kernel timer at an absolute time of `now`: epoll's own timeouts are whole milliseconds."""

    class _Spec(ctypes.Structure):
        _fields_ = (("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("s", ctypes.c_long), ("ns", ctypes.c_long))

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self.fd: int = self._libc.timerfd_create(1, os.O_NONBLOCK | os.O_CLOEXEC)
        self._set = 0.0

    def at(self, t: float) -> None:
        if t != self._set:
            self._set = t
            self._libc.timerfd_settime(self.fd, 1, ctypes.byref(self._Spec(0, 0, int(t), max(1, int(t % 1 * 1e9)))), None)

    def clear(self) -> None:
        """Forget that it rang: the next `at` sets it again, also to the same time, of which it may have been a moment short."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 8)
            self._set = 0.0


@dataclass
class Answering:
    """One request that is being answered. sent: when each chunk was handed to the kernel."""

    sock: socket.socket
    chat: bool
    arrived: float
    tokens: int
    usage: dict[str, int] | None
    sent: list[float] = field(default_factory=list)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(chat: bool, **more: Any) -> bytes:
    body = {"id": "ruler-1", "object": "chat.completion.chunk" if chat else "text_completion", "created": 1, "model": "ruler"} | more
    return _chunk(b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n")


def _choice(chat: bool, finish: str | None) -> dict[str, Any]:
    said = {"delta": {"content": " time"}} if chat else {"text": " time"}
    return {"choices": [{"index": 0, **said, "finish_reason": finish}]}


TOKEN = {chat: _event(chat, **_choice(chat, None)) for chat in (False, True)}
LAST = {chat: _event(chat, **_choice(chat, "length")) for chat in (False, True)}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Ruler:
    def __init__(self, port: int, first_s: float, gap_s: float, stall_after_s: float | None, stall_s: float) -> None:
        self._first, self._gap = first_s, gap_s
        self._stall_after, self._stall = stall_after_s, stall_s
        self._stall_at: float | None = None
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._timer = Timer()
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._epoll.register(self._timer.fd, select.EPOLLIN)
        self._connections: dict[int, tuple[socket.socket, bytearray]] = {}
        self._came: deque[tuple[int, bytes, float]] = deque()
        self._due: list[tuple[float, int, Answering]] = []
        self._order = 0
        self.done: list[Answering] = []
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            if self._due:
                self._timer.at(self._due[0][0])
            came = False
            for fd, _ in self._epoll.poll(0 if self._came else 0.5):
                if fd == self._listener.fileno():
                    self._accept()
                elif fd != self._timer.fd:
                    came = self._receive(fd) or came
            # Understood only when nothing else comes in: a request that waits for another's parsing would have arrived late.
            if self._came and not came:
                self._read(*self._came.popleft())
            self._maybe_stall()
            t = now()
            while self._due and self._due[0][0] <= t:
                due, _, answering = heapq.heappop(self._due)
                self._send(answering, due)
            self._timer.clear()

    def _maybe_stall(self) -> None:
        if self._stall_at is not None and now() >= self._stall_at:
            self._stall_at = None
            time.sleep(self._stall)
            self._due = [(due + self._stall, n, a) for due, n, a in self._due]  # everything goes on where it was
            heapq.heapify(self._due)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[sock.fileno()] = (sock, bytearray())
        self._epoll.register(sock, select.EPOLLIN)

    def _close(self, fd: int) -> None:
        sock, _ = self._connections.pop(fd)
        self._epoll.unregister(fd)
        sock.close()

    def _receive(self, fd: int) -> bool:
        """Whether something came; a connection that was closed is forgotten."""
        try:
            data = self._connections[fd][0].recv(1 << 16)
        except OSError:
            data = b""
        if data:
            self._came.append((fd, data, now()))
        else:
            self._close(fd)
        return bool(data)

    def _read(self, fd: int, data: bytes, arrived: float) -> None:
        if fd not in self._connections:
            return
        sock, buffer = self._connections[fd]
        buffer += data
        head, blank, body = bytes(buffer).partition(b"\r\n\r\n")
        length = next((int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
        if blank and len(body) >= length:
            buffer.clear()
            self._answer(sock, head.split(b" ", 2)[1].decode(), body, arrived)

    def _answer(self, sock: socket.socket, path: str, body: bytes, arrived: float) -> None:
        if not path.endswith("completions"):
            text = b'{"object":"list","data":[{"id":"ruler","object":"model","created":1,"owned_by":"ruler"}]}'
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
            return
        asked = json.loads(body)
        tokens = asked.get("max_tokens") or asked.get("max_completion_tokens") or 16
        prompt = asked.get("prompt") or " ".join(str(m["content"]) for m in asked.get("messages", ()))
        length = len(prompt) if isinstance(prompt, list) else len(prompt.split())
        usage = {"prompt_tokens": length, "completion_tokens": tokens, "total_tokens": length + tokens}
        wanted = (asked.get("stream_options") or {}).get("include_usage")
        if self._stall_after is not None and self._stall_at is None and not self._order:
            self._stall_at = arrived + self._stall_after
        self._order += 1
        answering = Answering(sock, "chat" in path, arrived, tokens, usage if wanted else None)
        heapq.heappush(self._due, (arrived + self._first, self._order, answering))

    def _send(self, a: Answering, due: float) -> None:
        last = len(a.sent) + 1 == a.tokens
        data = TOKEN[a.chat]
        if last:
            usage = _event(a.chat, choices=[], usage=a.usage) if a.usage else b""
            data = LAST[a.chat] + usage + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        if not a.sent:
            data = HEAD + data
        a.sent.append(now())
        try:
            a.sock.sendall(data)
        except OSError:
            return  # the client is gone, or so slow that its buffer is full
        if last:
            self.done.append(a)
        else:
            self._order += 1
            heapq.heappush(self._due, (due + self._gap, self._order, a))

    def log(self) -> dict[str, Any]:
        """Of each whole answer: when it arrived, and milliseconds from then to each chunk."""
        offset = time.time() - now()
        return {
            "requests": [
                {"arrived": round(a.arrived + offset, 6), "sent_ms": [round((t - a.arrived) * 1e3, 3) for t in a.sent]} for a in self.done
            ]
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--first-ms", type=float, default=50.0)
    parser.add_argument("--gap-ms", type=float, default=5.0)
    parser.add_argument("--stall-after", type=float)
    parser.add_argument("--stall-s", type=float, default=2.0)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    ruler = Ruler(options.port, options.first_ms / 1e3, options.gap_ms / 1e3, options.stall_after, options.stall_s)

    def stop(*_: object) -> None:
        ruler.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"http://127.0.0.1:{ruler.port}", flush=True)
    ruler.run()
    if options.log:
        options.log.write_text(json.dumps(ruler.log()))


if __name__ == "__main__":
    main()
