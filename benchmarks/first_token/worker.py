"""The aggregated worker, with two commands more (--control): time the engine directly, in the same process; and when a request passed here.

    python worker.py [options of `armature worker`, without the role]

Command bench/first_token {"token_ids": [...], "max_tokens": N} calls the engine without the runtime in between and
answers {"chunks": [[seconds since the call, [token ids]], ...]}.

Command bench/passed {} answers {"entered", "left"}: when the last request came from the frontend and when its first
chunk went back, by the host's monotonic clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from armature.cli import worker as cli
from armature.messages.tokens import GenerateRequest, Sampling
from armature.runtime.egress import Context
from armature.runtime.logs import configure
from armature.worker.main import run_role
from armature.worker.roles.aggregated import Aggregated, open_role
from armature.worker.roles.base import ControlRoute, WorkerSettings


class Timed(Aggregated):
    """The role as it is, and its engine's own times."""

    entered: float | None = None
    left: float | None = None

    def routes(self) -> dict[str, ControlRoute]:
        return {"bench/first_token": self._first_token, "bench/passed": self._passed}

    async def stream(self, request: dict[str, Any], context: Context) -> AsyncIterator[dict[str, Any]]:
        self.entered, self.left = time.perf_counter(), None
        async for chunk in super().stream(request, context):
            self.left = self.left or time.perf_counter()
            yield chunk

    async def _passed(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"entered": self.entered, "left": self.left}

    async def _first_token(self, body: dict[str, Any]) -> dict[str, Any]:
        sampling = Sampling(max_tokens=body["max_tokens"], temperature=0.0, ignore_eos=True)
        request = GenerateRequest(uuid4().hex, body["token_ids"], sampling)
        chunks = []
        began = time.perf_counter()
        async for chunk in self.engine.generate(request):
            chunks.append([time.perf_counter() - began, chunk.token_ids])
        return {"chunks": chunks}


def main(argv: list[str]) -> int:
    settings, options, _ = cli.read(["aggregated", *argv])
    configure()
    return run_role(lambda: _open(settings), settings, options)


def _open(settings: WorkerSettings) -> Timed:
    return Timed(open_role(settings).engine, settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
