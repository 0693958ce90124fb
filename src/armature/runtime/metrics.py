"""Series of our own beside the runtime's at /metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint

logger = logging.getLogger(__name__)


def show(endpoint: Endpoint, text: Callable[[], str]) -> None:
    """Add what `text` returns to /metrics of this process's system server, each time that it is asked for.

    text: runs in a thread of the runtime. When it raises, the other series stand without it.
    """

    def safe() -> str:
        try:
            return text()
        except Exception as e:
            logger.warning("metrics of this process cannot be exported: %s: %s", type(e).__name__, e)
            return ""

    endpoint.metrics.register_prometheus_expfmt_callback(safe)
