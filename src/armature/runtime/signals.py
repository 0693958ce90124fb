"""SIGTERM and SIGINT: the first asks for an orderly end, the second forces it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """The one place that says whether this process should end, and why.

    broken: set when the end was asked for because something failed; then there is nothing to wait for.
    on_force: what a second signal does before the process ends at once, with 128 + the signal's number.
    """

    def __init__(self, on_force: Callable[[], None] | None = None) -> None:
        self.reason: str | None = None
        self.broken = asyncio.Event()
        self.on_force = on_force
        self._asked = asyncio.Event()

    def install(self) -> None:
        """Handle the stop signals on the running loop; again, when something else took them over meanwhile."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)

    def request(self, reason: str, *, failed: bool = False) -> None:
        """Ask for the end. `failed` says that the process must not end with 0; the first such reason stays, else the first."""
        if self.reason is None or (failed and not self.broken.is_set()):
            self.reason = reason
        if failed:
            self.broken.set()
        self._asked.set()

    @property
    def requested(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        """Return once the end was asked for."""
        await self._asked.wait()

    def _on_signal(self, number: signal.Signals) -> None:
        if not self.requested:
            logger.info("%s: draining; a second signal exits at once", number.name)
            self.request(number.name)
            return
        logger.warning("%s again: exiting at once", number.name)
        try:
            if self.on_force is not None:
                self.on_force()
        finally:
            os._exit(128 + number)
