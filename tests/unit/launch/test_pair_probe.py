"""Every pair is tried with a real request; what went wrong is told with the worker that said so."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from armature import control
from armature.launch.pairs import DecodeAt, PairResult, PrefillAt, probe

Answer = Callable[[dict[str, Any]], tuple[int, Any]]


@asynccontextmanager
async def worker(answer: Answer) -> AsyncIterator[tuple[Path, list[dict[str, Any]]]]:
    """A worker that answers each probe by `answer`; its control folder, and what it was asked."""
    asked: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(next(line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-length")))
        asked.append(json.loads(await reader.readexactly(length)))
        status, said = answer(asked[-1])
        body = json.dumps(said).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / control.TOKEN).write_text("t")
        async with await asyncio.start_unix_server(serve, folder / control.SOCKET):
            yield folder, asked


async def tried(prefill: Answer, decode: Answer) -> tuple[PairResult, list[dict[str, Any]]]:
    async with worker(prefill) as (p, asked_p), worker(decode) as (d, asked_d):
        return await probe(PrefillAt("prefill-0", p, "10.0.0.9", 8998), DecodeAt("decode-1", d), 3.0), [*asked_p, *asked_d]


def token(number: int) -> Answer:
    return lambda body: (200, {"token_ids": [number]})


async def test_both_legs_meet_in_one_room_of_the_prefill_worker() -> None:
    result, asked = await tried(token(7), token(7))
    assert (result.prefill, result.decode, result.error) == ("prefill-0", "decode-1", None)
    assert asked[0] == asked[1] and (asked[0]["host"], asked[0]["port"]) == ("10.0.0.9", 8998)


@pytest.mark.parametrize(
    ("prefill", "decode", "said"),
    [
        (token(7), token(8), "their first tokens differ: [7] from prefill-0, [8] from decode-1"),
        (token(7), lambda _: (200, {"error": "no token within 3 s"}), "decode-1: no token within 3 s"),
        (lambda _: (404, {"no": "route"}), token(7), "prefill-0: HTTP 404"),
        (lambda _: (200, {"error": "a"}), lambda _: (200, {"error": "b"}), "prefill-0: a; decode-1: b"),
    ],
    ids=["differ", "error", "status", "both"],
)
async def test_the_reason_names_the_worker(prefill: Answer, decode: Answer, said: str) -> None:
    result, _ = await tried(prefill, decode)
    assert said in (result.error or "")


async def test_a_worker_that_is_not_there_is_a_result_not_an_exception(tmp_path: Path) -> None:
    async with worker(token(7)) as (p, _):
        result = await probe(PrefillAt("prefill-0", p, "127.0.0.1", 1), DecodeAt("decode-0", tmp_path), 1.0)
    assert f"decode-0 at {tmp_path}" in (result.error or "")
