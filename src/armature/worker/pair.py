"""What prefill and decode have in common: the legs of a request, the warm-up without a partner, and the probe of a pair."""

from __future__ import annotations

from dataclasses import replace

from armature.messages.tokens import NOBODY, Bootstrap, GenerateRequest
from armature.runtime.wire import Unsupported
from armature.worker.control import pair_probe
from armature.worker.control.route import Route
from armature.worker.generating import Generating


class Leg(Generating):
    """An engine that does one leg of a request."""

    def alone(self, request: GenerateRequest) -> GenerateRequest:
        """Its KV cache goes to nobody, or comes from nobody."""
        return replace(request, bootstrap=Bootstrap(NOBODY, 0, request.dp_rank or 0))

    def routes(self) -> tuple[Route, ...]:
        """Also the probe of a pair: one real token with a partner."""
        return (*super().routes(), pair_probe.route(self.one_token))


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
