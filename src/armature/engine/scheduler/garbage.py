"""Garbage collection skips the objects that a scheduler created before it serves.

The warm-up imports a compiler and leaves about a million objects. A full collection visits all of them and takes half a second or
more; no request gets a token meanwhile. SGLang's FreezeGCReq exempts them. Here a collection runs first, because frozen
garbage is never freed.
"""

from __future__ import annotations

import gc
import logging
import time
from typing import Any

logger = logging.getLogger(__name__)


def install() -> None:
    """Have SGLang's scheduler, in this process, collect before it freezes. Once, before it is made."""
    from sglang.srt.managers.scheduler import Scheduler

    freeze = Scheduler.handle_freeze_gc

    def collect_and_freeze(self: Any, request: Any) -> None:
        began = time.monotonic()
        gc.collect()
        freeze(self, request)
        logger.info("garbage collection: froze %d objects in %.1f s", gc.get_freeze_count(), time.monotonic() - began)

    Scheduler.handle_freeze_gc = collect_and_freeze
