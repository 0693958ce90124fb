"""How a worker is given commands: over a socket in a folder of its own, with a token that lies beside it.

    FOLDER/socket   HTTP, POST /engine/ROUTE with a JSON object, answered by one (docs/decisions/0008-control.md)
    FOLDER/token    what every request must carry; made by the worker at its start, gone with the run

Only the worker's user may enter the folder. This module is the side that asks, and what both sides must agree on.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SOCKET, TOKEN = "socket", "token"
HOST = "armature"  # the only name that the server answers to: no address, so that none can be made to point at it
PATH = "/engine/"


def folder(tmp: str, node: str) -> str:
    """The control folder of a node of the run whose sockets lie in `tmp`: below the node's TMPDIR, which no other user may enter."""
    return f"{tmp}/{node}/control"


class Refused(RuntimeError):
    """The worker does not do what it was told; the text says why. status: of HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def call(folder: Path, route: str, body: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """What the worker whose control folder this is answers to `body` at `route`.

    Raises Refused when it refuses, OSError when it does not answer (TimeoutError within `timeout_s`).
    """
    token = (folder / TOKEN).read_text()
    headers = {"Host": HOST, "Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    connection = _Connection(folder / SOCKET, timeout_s)
    try:
        connection.request("POST", PATH + route, json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
    except http.client.HTTPException as e:
        raise OSError(f"the answer is not HTTP: {e!r}") from e
    finally:
        connection.close()
    try:
        said = json.loads(data)
    except ValueError:
        said = {}
    if answer.status != 200:
        raise Refused(answer.status, str(said.get("error", f"HTTP {answer.status}")))
    return dict(said)


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__(HOST, timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
