"""Requests whose bytes are hostile, whatever they ask for: bodies that are no JSON, headers, routes, clients that leave or dawdle."""

from __future__ import annotations

import random
from collections.abc import Callable

from .bodies import ordinary_body
from .fields import CHAT, COMPLETIONS, EMBEDDINGS, GENERATING, MESSAGES, OTHERS, RESPONSES
from .request import Manner, Request
from .target import Target
from .values import ILL_TYPED, encode, nested, nested_objects


def broken_body(rng: random.Random, target: Target) -> Request:
    route = rng.choice([CHAT, COMPLETIONS, RESPONSES, MESSAGES, EMBEDDINGS])
    body = ordinary_body(route, rng, target)
    whole = encode(body)
    bodies: list[tuple[str, Callable[[], bytes]]] = [
        ("is cut off", lambda: whole[: rng.randrange(len(whole))]),
        ("has something after its end", lambda: whole + rng.choice([b"}", b"{}", b"\x00", b" x", whole])),
        ("is empty", lambda: b""),
        ("is no object", lambda: rng.choice([b"null", b"[]", b"7", b'"x"', b"\x00", b"[" * 100_000, b"\xff\xfe", b"model=x"])),
        ("names a field twice", lambda: whole[:-1] + b"," + whole[1:]),
        ("is in another encoding", lambda: whole.decode().encode(rng.choice(["utf-16", "utf-32", "utf-8-sig"]))),
        ("has bytes that are not UTF-8", lambda: whole.replace(b'"model"', b'"\xc3\x28"')),
        ("has a byte changed", lambda: _changed(whole, rng)),
        ("is deep", lambda: encode(body | {"extra": rng.choice([nested(1000), nested(100_000), nested_objects(5000)])})),
        ("has many fields", lambda: encode(body | {f"field_{i}": i for i in range(20_000)})),
        ("is large", lambda: encode(body | {"extra": "x" * 3_000_000})),
    ]
    why, data = rng.choice(bodies)
    return Request("body", f"the body {why}", route, data())


def _changed(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def headers(rng: random.Random, target: Target) -> Request:
    route = rng.choice(GENERATING)
    worker = rng.choice(["0", "1", "-1", "x", str(2**64), ""])
    sets: list[dict[str, str]] = [
        {"content-type": rng.choice(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x" * 999])},
        {"content-encoding": rng.choice(["gzip", "br", "identity", "nonsense"])},
        {"x-dp-rank": worker}, {"x-data-parallel-rank": worker}, {"x-prefill-dp-rank": worker}, {"x-worker-instance-id": worker},
        {"x-dynamo-worker-instance-id": worker}, {"x-dynamo-prefill-instance-id": worker}, {"x-dynamo-request-priority": worker},
        {"x-request-id": rng.choice(["", "x" * 5000, "../../x", "é"])}, {"traceparent": rng.choice(["", "00-0-0-00", "x" * 3000])},
        {"authorization": "Bearer " + "x" * 5000}, {"accept": "nonsense/*"}, {"transfer-encoding": "gzip"}, {"expect": "100-continue"},
        {"host": ""}, {"host": "evil.invalid"}, {"origin": "http://evil.invalid"}, {f"x-{i}": "y" * 50 for i in range(200)},
        {"content-length": rng.choice(["-1", "x", "1", "999999999999999999999", "18446744073709551615"])},
    ]  # fmt: skip
    headers = rng.choice(sets)
    return Request("headers", f"header {next(iter(headers))}", route, encode(ordinary_body(route, rng, target)), headers=headers)


def elsewhere(rng: random.Random, target: Target) -> Request:
    """Routes that this deployment serves nothing on, methods that a route has not, and names of models."""
    if rng.random() < 0.4:
        name = rng.choice([target.model, "x", "..%2f..%2fetc%2fpasswd", "%00", "%ff", "a" * 8000, "", "a/b/c", "%F0%9F%98%80"])
        paths = (
            "/v1/models/",
            f"/v1/models/{name}",
            f"/v1/models/{name}/ready",
            "/v1/models",
            f"/{name}",
            "//v1//models",
            f"/metrics?x={name}",
        )
        method = rng.choice(["GET", "GET", "HEAD", "OPTIONS", "DELETE"])
        return Request("elsewhere:get", "a path of another form", rng.choice(paths), b"", method=method)
    route = rng.choice(OTHERS + GENERATING)
    body = ordinary_body(rng.choice(GENERATING), rng, target)
    if route == "/busy_threshold":  # it is everybody's setting: a body that sets nothing
        body = {"model": "x", "active_decode_blocks_threshold": rng.choice(ILL_TYPED)}
    elif rng.random() < 0.5:
        body |= {"input": rng.choice(ILL_TYPED), "query": "a", "documents": ["a"]}
        body |= {"token_ids": rng.choice([[5], [-1], [999_999]]), "sampling_params": rng.choice([{}, {"n": 0}, []])}
    method = "POST" if route in OTHERS else rng.choice(["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"])
    return Request("elsewhere:other", "a route that serves nothing here, or a method that it has not", route, encode(body), method=method)


def client(rng: random.Random, target: Target) -> Request:
    """A client that leaves or dawdles, with a request that would take a while."""
    route = rng.choice([CHAT, COMPLETIONS])
    body = ordinary_body(route, rng, target)
    body |= {"max_tokens": rng.choice([8, 200, 1000]), "ignore_eos": True, "stream": rng.choice([True, False])}
    if rng.random() < 0.2 and not target.pairs:
        body["n"] = 4
    manner = rng.choice([m for m in Manner if m is not Manner.WHOLE])
    if manner is Manner.PIPELINED:
        body["max_tokens"] = 8
    return Request(f"client:{manner.name.lower()}", f"a client that {manner}", route, encode(body), manner=manner)
