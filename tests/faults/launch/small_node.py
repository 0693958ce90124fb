"""A small real node for tests of the launcher: what a worker does, good and bad, without an engine."""

from __future__ import annotations

import argparse
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HELD: list[object] = []  # what the process keeps open until it ends


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--port", type=int)
    p.add_argument("--model", default="tiny")
    p.add_argument("--late", type=float, default=0.0, help="seconds until it listens")
    p.add_argument("--unroutable", type=float, default=0.0, help="seconds in which the model is listed and answers 503")
    p.add_argument("--say", action="append", default=[], help="lines to write first")
    p.add_argument("--die", help="SECONDS:CODE: end by itself")
    p.add_argument("--drain", type=float, default=0.0, help="seconds that SIGTERM takes; negative: for ever")
    p.add_argument("--trace", help="a file to which times of start and end are appended")
    p.add_argument("--leave", help="a name: leave a grandchild, a shared memory file and a socket of that name")
    o = p.parse_args()
    trace(o.trace, "begin")
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=drain, args=(o,)).start())
    for line in o.say:
        print(line, flush=True)
    if o.leave:
        leave(o.leave)
    time.sleep(o.late)
    if o.die:
        seconds, code = o.die.split(":")
        threading.Timer(float(seconds), lambda: os._exit(int(code))).start()
    if o.port:
        Handler.model, Handler.routable_at = o.model, time.monotonic() + o.unroutable
        ThreadingHTTPServer(("127.0.0.1", o.port), Handler).serve_forever()
    while True:
        time.sleep(60)


def drain(o: argparse.Namespace) -> None:
    trace(o.trace, "term")
    print("draining", flush=True)
    if o.drain < 0:
        return
    time.sleep(o.drain)
    trace(o.trace, "end")
    os._exit(0)


def trace(path: str | None, what: str) -> None:
    if path:
        with open(path, "a") as f:
            print(os.environ["NODE"], what, time.time(), file=f)


def leave(name: str) -> None:
    """What SGLang leaves behind, and worse: each in a process of a session of its own that ignores SIGTERM."""
    grandchild = (
        f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import small_node; small_node.abandoned({name!r})"
    )
    between = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {grandchild!r}], start_new_session=True)"
    subprocess.run([sys.executable, "-c", between], check=True)  # it ends at once: the grandchild is an orphan
    while not os.path.exists(os.path.join(os.environ["TMPDIR"], name)):
        time.sleep(0.01)


def abandoned(name: str) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    fd = os.open(f"/dev/shm/{name}", os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, 4096)
    memory = mmap.mmap(fd, 4096)
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    port.listen()
    ipc = socket.socket(socket.AF_UNIX)
    ipc.bind(os.path.join(os.environ["TMPDIR"], name + ".half"))
    ipc.listen()
    HELD.extend([memory, port, ipc])
    print(json.dumps({"abandoned": os.getpid(), "port": port.getsockname()[1]}), flush=True)
    os.rename(os.path.join(os.environ["TMPDIR"], name + ".half"), os.path.join(os.environ["TMPDIR"], name))
    while True:
        time.sleep(60)


class Handler(BaseHTTPRequestHandler):
    model = "tiny"
    routable_at = 0.0

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": self.model}]})
        else:
            self.answer(200 if self.path == "/health" else 404, {"path": self.path})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        ready = time.monotonic() >= self.routable_at
        self.answer(200 if ready else 503, {"choices": []} if ready else {"error": "no worker yet"})

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    main()
