"""Reports of a scheduler's load that are also its sign of life.

SGLang's scheduler reports after each prefill and while it is idle, and otherwise every `load_snapshot_publish_interval` steps, however
long these take. Here it also reports at the end of any step when the last report is EVERY_S old, so that silence means one long step.
"""

from __future__ import annotations

import time
from typing import Any

EVERY_S = 0.5


def install() -> None:
    """Have SGLang's scheduler, in this process, report in time. Call before it starts."""
    from sglang.srt.managers.scheduler import Scheduler

    publish, last = Scheduler.publish_load_snapshot, 0.0

    def publish_in_time(self: Any, force: bool = False) -> Any:
        nonlocal last
        if (now := time.monotonic()) - last >= EVERY_S:
            force = True
        if force:
            last = now
        return publish(self, force)

    Scheduler.publish_load_snapshot = publish_in_time
