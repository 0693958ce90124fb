"""What is asked of the server before a run: its model's name, and how it tells the tokens of each chunk."""

from __future__ import annotations

import json
from dataclasses import replace

import gevent

from armature_load.address import AddressError, Server
from armature_load.answers import ServerError, Streamed, StreamError
from armature_load.http import Answer, ClosedEarly, Connections, exchange
from armature_load.requests import PATHS, fixed_fields
from armature_load.settings import GENERATING, Counting, Settings

PROBE = "How many tokens?"  # the prompt of the one request that `counting` sends
REFUSED = range(400, 500)


class CannotStart(Exception):
    """The run cannot start; the text says why, and what to do."""


def first_model(settings: Settings, url: str) -> str:
    """The name of the server's first model. Raises CannotStart."""
    try:
        parts: list[bytes] = []
        status = _ask(settings, url, None, settings.connect_timeout_s, parts)
        if status != 200:
            raise ValueError(f"HTTP {status}")
        return str(json.loads(b"".join(parts))["data"][0]["id"])
    except AddressError as e:
        raise CannotStart(f"--host: {e}") from None
    except (OSError, ClosedEarly, ValueError, LookupError, TypeError) as e:
        raise CannotStart(f"{url}/v1/models lists no model ({e}): check that the server is up, or set --model") from None


def counting(settings: Settings, url: str, model: str) -> Counting:
    """How the server tells the tokens of each chunk: as `settings` say, or for `auto` as one short request shows.

    A server that refuses the request, or answers it without a usage in each chunk, is `plain`. One that fails otherwise is asked
    for the usage all the same: the run shows what is wrong.
    """
    if settings.server != "auto":
        return settings.server
    workload = next((c for c in settings.classes if c.user in GENERATING), None)
    if workload is None or not settings.stream:
        return "plain"
    prompt = {"prompt": PROBE} if workload.user == "completions" else {"messages": [{"role": "user", "content": PROBE}]}
    fixed = fixed_fields(replace(settings, server="usage"), workload)
    body = json.dumps({"model": model, **prompt, "max_tokens": 2, **fixed}).encode()
    parts: list[bytes] = []
    try:
        status = _ask(settings, url, (PATHS[workload.user], body), settings.timeout_s, parts)
        if status in REFUSED:
            return "plain"
        streamed = Streamed(keep_text=False)
        streamed.feed(0.0, b"".join(parts))
    except (OSError, ClosedEarly, ServerError, StreamError):
        return "usage"
    return "usage" if status != 200 or streamed.tokens else "plain"


def _ask(settings: Settings, url: str, post: tuple[str, bytes] | None, timeout_s: float, parts: list[bytes]) -> int:
    """The status of one exchange, whose body goes to `parts`. post: path and body; None asks for the list of models."""
    headers = {str(k): str(v) for k, v in settings.headers.items()}
    connections = Connections(Server.of(url), headers, settings.connect_timeout_s, settings.insecure)
    request = connections.post(*post) if post else connections.get("/v1/models")
    with gevent.Timeout(timeout_s, TimeoutError("no answer")):
        sock, _ = connections.take()
        with sock:
            answer: Answer = exchange(sock, request, lambda t, a, piece: parts.append(piece))
    return int(answer.get_code())
