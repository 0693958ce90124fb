"""A real one-token request through every pair of prefill and decode workers.

Two healthy workers may still be unable to serve: a bootstrap port that a firewall blocks, an address that only one of them
reaches, shapes that differ. Requests then hang, and no worker's own health says why. So each pair is tried before anybody
is told that the run is ready.

Both workers of a pair are asked at once, by commands (`armature.control`), for the same prompt in the same room. Prefill's first
token and decode's must both come, and agree.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from armature import control

ROUTE = "pair/probe"
PROMPT = (1, 2, 3, 4, 5)
_SLACK_S = 5.0  # the workers end the probe themselves; this is for their answers


@dataclass(frozen=True)
class PrefillAt:
    """A prefill worker: its name, its control folder, and where its KV caches are fetched."""

    name: str
    control: Path
    bootstrap_host: str
    bootstrap_port: int


@dataclass(frozen=True)
class DecodeAt:
    """A decode worker: its name and its control folder."""

    name: str
    control: Path


@dataclass(frozen=True)
class PairResult:
    """How one pair did. seconds: until both had answered. error: None, or the reason with the worker that gave it."""

    prefill: str
    decode: str
    seconds: float
    error: str | None


async def probe(prefill: PrefillAt, decode: DecodeAt, timeout_s: float) -> PairResult:
    """One pair. Never raises: what went wrong is in the result."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    body = {
        "host": prefill.bootstrap_host,
        "port": prefill.bootstrap_port,
        "room": random.getrandbits(62),
        "token_ids": list(PROMPT),
        "timeout_s": timeout_s,
    }
    answers = await asyncio.gather(*(_ask(w.name, w.control, body, timeout_s) for w in (prefill, decode)))
    errors = [a for a in answers if isinstance(a, str)]
    if not errors and answers[0] != answers[1]:
        errors = [f"their first tokens differ: {answers[0]} from {prefill.name}, {answers[1]} from {decode.name}"]
    return PairResult(prefill.name, decode.name, loop.time() - began, "; ".join(errors) or None)


async def _ask(name: str, folder: Path, body: dict[str, object], timeout_s: float) -> list[int] | str:
    """The token ids, or the reason as text."""
    try:
        said = await asyncio.to_thread(control.call, folder, ROUTE, body, timeout_s + _SLACK_S)
    except TimeoutError:
        return f"{name} did not answer within {timeout_s + _SLACK_S:g} s"
    except control.Refused as e:
        return f"{name}: HTTP {e.status}: {e}"
    except OSError as e:
        return f"{name} at {folder}: {e}"
    return list(said["token_ids"]) if "token_ids" in said else f"{name}: {said.get('error', said)}"
