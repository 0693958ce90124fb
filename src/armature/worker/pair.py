"""What prefill and decode have in common: the legs of a request, the warm-up without a partner, and the probe of a pair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from armature.messages.tokens import NOBODY, Bootstrap, GenerateRequest, Sampling
from armature.runtime.wire import Unsupported
from armature.worker.generating import Generating
from armature.worker.roles.base import ControlRoute

PROBE_ROUTE = "pair/probe"


class Leg(Generating):
    """An engine that does one leg of a request."""

    def alone(self, request: GenerateRequest) -> GenerateRequest:
        """Its KV cache goes to nobody, or comes from nobody."""
        return replace(request, bootstrap=Bootstrap(NOBODY, 0, request.dp_rank or 0))

    def routes(self) -> dict[str, ControlRoute]:
        """Also the probe of a pair: one real token with a partner."""
        return super().routes() | {PROBE_ROUTE: self._probe}

    async def _probe(self, body: dict[str, Any]) -> dict[str, Any]:
        """{"host", "port", "room", "token_ids", "timeout_s"} -> {"token_ids"}, or {"error"} with the reason."""
        request_id = f"probe-{uuid4().hex}"
        sampling = Sampling(max_tokens=1, temperature=0.0, ignore_eos=True)
        meet = Bootstrap(body["host"], body["port"], body["room"])
        try:
            asked = GenerateRequest(request_id, body["token_ids"], sampling, bootstrap=meet)
            return {"token_ids": await self.one_token(asked, body["timeout_s"])}
        except TimeoutError:
            return {"error": f"no token within {body['timeout_s']:g} s"}
        except RuntimeError as e:
            return {"error": str(e)}


def check_leg(request: GenerateRequest) -> GenerateRequest:
    """`request` if a pair of engines can serve it. Raises Unsupported otherwise."""
    if request.sampling.n > 1:
        raise Unsupported(
            f"n={request.sampling.n}: not supported where prefill and decode are separate: a KV cache is transferred once; send n requests"
        )
    if request.echo:
        raise Unsupported("echo: not supported where prefill and decode are separate: the prompt's log probabilities stay with prefill")
    if request.bootstrap is None:
        raise Unsupported("this worker does only prefill or decode, and the request has no bootstrap_info to reach the other worker")
    return request
