"""Serving one endpoint: start, be found, be withdrawn, drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from armature.errors import UserError
from armature.runtime.egress import Egress, InFlight, Stream, handler
from armature.runtime.listing import ENDPOINTS
from armature.runtime.registration import ModelCard, register_model, unregister_model

if TYPE_CHECKING:
    from dynamo.runtime import DistributedRuntime

logger = logging.getLogger(__name__)


def check_name(name: str) -> str:
    """`name` if it has the form namespace.component.endpoint; else a UserError."""
    parts = name.removeprefix("dyn://").split(".")
    if len(parts) != 3 or not all(parts):
        raise UserError(f"{name!r} is not an endpoint name", where="--endpoint", expected="namespace.component.endpoint")
    return ".".join(parts)


class Served:
    """One endpoint under which `stream` answers.

    Use: `start`, then `register`; `suspend` and `resume` while the engine may hang; at the end `withdraw`, `in_flight.drained`, and
    the runtime's own shutdown.
    """

    def __init__(self, runtime: DistributedRuntime, name: str, stream: Stream, egress: Egress, labels: Mapping[str, str]) -> None:
        self.in_flight = InFlight()
        self.endpoint = runtime.endpoint(check_name(name))
        self._handler = handler(stream, egress, self.in_flight)
        self._labels = list(labels.items())
        self._task: asyncio.Task[None] | None = None
        self._registered = False
        self._listed = True

    def wants(self, kind: str) -> bool:
        """Whether entries of this kind shall be in the discovery now. See `runtime.listing`."""
        return self._registered and (self._listed or kind != ENDPOINTS)

    def start(self) -> asyncio.Task[None]:
        """Begin to answer. The task ends when the runtime stops serving, with its error if that was not asked for."""
        self._task = asyncio.create_task(self._serve(), name="endpoint")
        return self._task

    async def register(self, card: ModelCard) -> None:
        """Let frontends find the model here. Raises a UserError when the runtime cannot use the model's folder."""
        try:
            await register_model(self.endpoint, card)
        except Exception as e:
            raise UserError(
                f"the model cannot be registered from {card.path}: {e}",
                where="--model-path",
                expected="a folder with config.json, tokenizer.json and a chat template",
            ) from e
        self._registered = True

    async def withdraw(self) -> None:
        """Let frontends find neither the model nor this instance any more. What is in flight goes on. Errors are logged:
        whatever happens, the end goes on."""
        if self._registered:
            self._registered = False
            try:
                await unregister_model(self.endpoint)
            except Exception as e:
                logger.warning("the model could not be unregistered: %s", e)
        if self._listed:
            await self.suspend()

    async def suspend(self) -> bool:
        """Let frontends send no new request here, without a word of the model. What is in flight goes on.

        Returns whether that worked; errors are logged.
        """
        self._listed = False  # at once: what is removed now must not be put back
        try:
            await self.endpoint.unregister_endpoint_instance()
        except Exception as e:
            logger.warning("the endpoint could not be unregistered: %s", e)
            self._listed = True
            return False
        return True

    async def resume(self) -> bool:
        """Take back `suspend`. Returns whether that worked; errors are logged."""
        try:
            await self.endpoint.register_endpoint_instance()
        except Exception as e:
            logger.warning("the endpoint could not be registered again: %s", e)
            return False
        self._listed = True
        return True

    async def _serve(self) -> None:
        await self.endpoint.serve_endpoint(self._handler, graceful_shutdown=True, metrics_labels=self._labels)
