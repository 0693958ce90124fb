"""A process that lives stays listed in the file discovery, also when its entries had expired."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from processes import NAME, Host, Running, call, wait_for

EXPIRY_S = 10.0  # the runtime's

BODY = {"model": NAME, "prompt": "hi", "max_tokens": 3}


def removed(host: Host, frontend: Running, worker: Running) -> None:
    """What a process does that takes all others for dead."""
    for entry in (host.folder / "planes" / "v1").glob("*/*"):
        entry.unlink()


def slept(host: Host, frontend: Running, worker: Running) -> None:
    """What a machine does whose lid is closed; the worker wakes last."""
    for running in (frontend, worker):
        running.signal(signal.SIGSTOP)
    time.sleep(EXPIRY_S + 2)
    for running in (frontend, worker):
        running.signal(signal.SIGCONT)
        time.sleep(1)


@pytest.mark.parametrize("lose", [removed, slept])
def test_requests_are_answered_again(fresh: Host, lose: Callable[[Host, Running, Running], None]) -> None:
    frontend, worker = fresh.frontend(), fresh.worker()
    fresh.routable(frontend)
    wait_for(lambda: call(frontend.port, "/v1/completions", BODY).status == 200, "the worker answers")
    time.sleep(1.5)  # the worker has seen what the runtime listed
    lose(fresh, frontend, worker)
    wait_for(lambda: "registered again" in worker.text(), "the worker has listed itself again")
    wait_for(lambda: call(frontend.port, "/v1/completions", BODY).status == 200, "the worker answers again")
