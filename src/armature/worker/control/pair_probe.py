"""The command that has one leg of a pair make a real token with its partner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from armature.messages.tokens import Bootstrap, GenerateRequest, Sampling
from armature.worker.control.route import Body, Route


class Probe(Body):
    """Where the two legs meet (`Bootstrap`), the prompt, and how long the token may take."""

    host: str
    port: int
    room: int
    token_ids: list[int]
    timeout_s: float


def route(one_token: Callable[[GenerateRequest, float], Awaitable[list[int]]]) -> Route:
    """It answers {"token_ids"}, or {"error"} with the reason. one_token: see `Generating.one_token`."""

    async def answer(body: Probe) -> dict[str, Any]:
        sampling = Sampling(max_tokens=1, temperature=0.0, ignore_eos=True)
        meet = Bootstrap(body.host, body.port, body.room)
        try:
            asked = GenerateRequest(f"probe-{uuid4().hex}", body.token_ids, sampling, bootstrap=meet)
            return {"token_ids": await one_token(asked, body.timeout_s)}
        except TimeoutError:
            return {"error": f"no token within {body.timeout_s:g} s"}
        except RuntimeError as e:
            return {"error": str(e)}

    return Route("pair/probe", Probe, answer)
