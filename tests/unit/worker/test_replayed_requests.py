"""A request that moves from worker to worker, with a frontend that does what the runtime's does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.engine.types import EngineInfo
from armature.messages.tokens import Chunk, Finish, GenerateRequest, Usage
from armature.runtime import wire
from armature.worker.limits import Bounds
from armature.worker.reading import read
from armature.worker.replay import CannotGoOn
from armature.worker.writer import ChunkWriter

BOUNDS = Bounds(EngineInfo(4096, 1, 8192, 16, 4096, 2, 0.0, vocab_size=300))
PROMPT, CACHED, OUTPUT = [11, 12, 13], 2, [70, 71, 72, 73, 74, 75]


class Frontend:
    """Sends a request again with what came of it, as runtime 1.6.1 does (tests/contract/runtime/test_runtime_replay.py)."""

    def __init__(self, **options: Any) -> None:
        stops = {"max_tokens": len(OUTPUT), "min_tokens": 4}
        self.request: dict[str, Any] = {"token_ids": list(PROMPT), "stop_conditions": stops, **options}

    def track(self, chunk: dict[str, Any]) -> None:
        stops, new = self.request["stop_conditions"], len(chunk["token_ids"])
        self.request["token_ids"] = self.request["token_ids"] + chunk["token_ids"]
        self.request["stop_conditions"] = {name: max(0, value - new) for name, value in stops.items()}
        if link := chunk.get("worker_trace_link"):
            self.request["migration_link"] = link


def answer(request: GenerateRequest, cached: int) -> list[Chunk]:
    """An engine's chunks: what is left of OUTPUT, token by token, with the figures of the whole request."""
    left = OUTPUT[request.sent :]
    chunks = [Chunk(0, [token], cached_tokens=cached if i == 0 else None) for i, token in enumerate(left)]
    usage = Usage(len(request.token_ids) - request.sent, len(OUTPUT), cached)
    last = Chunk(0, left[-1:], finish=Finish("length"), usage=usage, cached_tokens=cached if len(left) == 1 else None)
    return [*chunks[:-1], last]


@given(st.lists(st.integers(0, len(OUTPUT) - 1), max_size=4), st.booleans())
def test_its_figures_are_those_of_the_request_wherever_it_is_cut(chunks_of_attempts: list[int], packed: bool) -> None:
    frontend = Frontend()
    sent: list[int] = []
    for attempt, many in enumerate([*chunks_of_attempts, len(OUTPUT)]):
        raw = frontend.request
        if packed:
            raw = raw | {"token_ids": b"".join(t.to_bytes(4, "little") for t in raw["token_ids"])}
        request = read(raw, "r", BOUNDS)
        assert request.token_ids == PROMPT + sent and request.sent == len(sent)
        assert (request.sampling.max_tokens, request.sampling.min_tokens) == (len(OUTPUT) - len(sent), max(0, 4 - len(sent)))
        writer = ChunkWriter(request, wire.read_note(raw))
        last: dict[str, Any] = {}
        for chunk in answer(request, CACHED + attempt)[: many if attempt < len(chunks_of_attempts) else None]:
            if len(sent) == len(OUTPUT) - 1 and attempt < len(chunks_of_attempts):
                break  # the worker dies before its last token
            last = writer.write(chunk)
            sent += last["token_ids"]
            frontend.track(last)
    assert sent == OUTPUT
    assert last["completion_usage"] == wire.usage(len(PROMPT), len(OUTPUT), CACHED + first_that_answered(chunks_of_attempts))


def first_that_answered(chunks_of_attempts: list[int]) -> int:
    """The attempt from which the first token came."""
    return next((i for i, many in enumerate(chunks_of_attempts) if many), len(chunks_of_attempts))


@pytest.mark.parametrize(
    "options",
    [
        {"sampling_options": {"guided_decoding": {"regex": "a+"}}},
        {"sampling_options": {"guided_decoding": {"json": {"type": "object"}}}},
        {"sampling_options": {"n": 2}},
    ],
)
def test_what_depends_on_a_dead_engines_state_does_not_go_on(options: dict[str, Any]) -> None:
    frontend = Frontend(**options)
    frontend.track(wire.with_note({"token_ids": [70]}, wire.Note(len(PROMPT), 0)))
    with pytest.raises(CannotGoOn):
        read(frontend.request, "r", BOUNDS)


@pytest.mark.parametrize("prompt_tokens", [0, -1, len(PROMPT) + 1])
def test_a_note_that_cannot_be_is_not_believed(prompt_tokens: int) -> None:
    frontend = Frontend()
    frontend.track(wire.with_note({"token_ids": []}, wire.Note(prompt_tokens, 0)))
    with pytest.raises(CannotGoOn):
        read(frontend.request, "r", BOUNDS)


def test_links_of_traces_are_no_notes() -> None:
    link = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}
    assert wire.read_note({"token_ids": [1], "migration_link": link}) is None


def test_several_outputs_carry_no_note() -> None:
    request = read({"token_ids": PROMPT, "sampling_options": {"n": 2}}, "r", BOUNDS)
    written = ChunkWriter(request).write(Chunk(0, [7], cached_tokens=0))
    assert "worker_trace_link" not in written
