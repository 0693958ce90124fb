"""Completions that stream over kept connections, each measured."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

from benchmarks.common.client import Connection

VOCABULARY = (20, 400)  # of prompts: ids that every model here has


def random_ids(rng: random.Random, tokens: int) -> list[int]:
    """A prompt that no other one resembles."""
    return [rng.randrange(*VOCABULARY) for _ in range(tokens)]


class Asker:
    """Streams on kept connections; one dict per request."""

    def __init__(self, port: int, model: str, seed: int) -> None:
        self._port, self._model, self._rng = port, model, random.Random(seed)
        self._idle: list[Connection] = []

    def prompt(self, tokens: int) -> list[int]:
        return random_ids(self._rng, tokens)

    async def ask(self, prompt: list[int], output: int, since: float | None = None) -> dict[str, Any]:
        """Figures of one request. Times in ms; cached: tokens of the prompt that came from the prefix cache.

        since: when it should have begun (perf_counter); now otherwise.
        """
        body = {
            "model": self._model,
            "prompt": prompt,
            "max_tokens": output,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
            "nvext": {"extra_fields": ["completion_token_ids"]},
        }
        connection = self._idle.pop() if self._idle else await Connection.open(self._port)
        began = since or time.perf_counter()
        times, ids, sizes, cached = [], [], [], 0
        async for event in _events(connection.post("/v1/completions", body)):
            if new := (event.get("nvext") or {}).get("completion_token_ids"):
                times.append(time.perf_counter())
                sizes.append(len(new))
                ids += new
            if usage := event.get("usage"):
                cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        self._idle.append(connection)
        gaps = [round((b - a) * 1e3, 2) for a, b in pairwise(times)]
        ended = times[-1] - began
        return {
            "prompt": len(prompt),
            "cached": cached,
            "ttft": round((times[0] - began) * 1e3, 2),
            "e2e": round(ended * 1e3, 2),
            "gaps": gaps,
            "sizes": sizes,
            "ids": ids,
        }


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """Each event, as it comes."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if "error" in event:
                    raise RuntimeError(str(event))
                yield event
