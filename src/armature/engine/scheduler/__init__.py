"""What runs inside SGLang's scheduler processes. It is added through SGLang's own extension points; no file of it is edited.

run                     the process's function: adds what follows, then runs SGLang's scheduler
kv_publisher            the publisher of KV events that `--kv-events-config` names `armature`
"""

from __future__ import annotations

from typing import Any


def run(*args: Any, **kwargs: Any) -> None:
    """SGLang's scheduler process, with Armature's publisher of KV events registered. Takes SGLang's own arguments.

    With KV events and metrics both on, SGLang would also send its load as pickles to a socket, over TCP where ranks do. Nobody
    here reads them (docs/decisions/0005-metrics.md), and unread they would pile up: they are not sent.
    """
    from sglang.srt.managers.scheduler import run_scheduler_process
    from sglang.srt.managers.scheduler_components.kv_events_publisher import SchedulerKvEventsPublisher

    from armature.engine.scheduler import kv_publisher

    kv_publisher.install()
    SchedulerKvEventsPublisher.emit_kv_metrics = lambda self: None
    run_scheduler_process(*args, **kwargs)
