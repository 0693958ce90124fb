"""The aggregated worker, with one route more: time the engine directly, in the same process.

    python worker.py [options of `armature worker`, without the role]

POST /engine/bench/first_token {"token_ids": [...], "max_tokens": N} calls the engine without the runtime in between and
answers {"chunks": [[seconds since the call, [token ids]], ...]}.
"""

from __future__ import annotations

import sys
import time
from typing import Any
from uuid import uuid4

from armature.cli import worker as cli
from armature.engine.types import GenerateRequest, Sampling
from armature.runtime.logs import configure
from armature.worker.main import run_role
from armature.worker.roles.aggregated import Aggregated, open_role
from armature.worker.roles.base import ControlRoute, WorkerSettings


class Timed(Aggregated):
    """The role as it is, and its engine's own times."""

    def routes(self) -> dict[str, ControlRoute]:
        return {"bench/first_token": self._first_token}

    async def _first_token(self, body: dict[str, Any]) -> dict[str, Any]:
        sampling = Sampling(max_new_tokens=body["max_tokens"], temperature=0.0, ignore_eos=True)
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
