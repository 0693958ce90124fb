"""What a scheduler has made before it serves is looked at no more for garbage.

Its warm-up imports a compiler and leaves some million objects. Python looks through all of them now and then, which takes half a second
and more, and meanwhile the scheduler makes nobody's tokens. SGLang has a request for it; here garbage is thrown away first, as what is
frozen stays for ever.
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
        logger.info("garbage: %d objects are looked at no more (%.1f s)", gc.get_freeze_count(), time.monotonic() - began)

    Scheduler.handle_freeze_gc = collect_and_freeze
