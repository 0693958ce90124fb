"""What runs inside SGLang's scheduler processes. It is added through SGLang's own extension points; no file of it is edited.

run                     the process's function: adds what follows, then runs SGLang's scheduler
kv_publisher            the publisher of KV events that `--kv-events-config` names `armature`
"""

from __future__ import annotations

from typing import Any


def run(*args: Any, **kwargs: Any) -> None:
    """SGLang's scheduler process, with Armature's publisher of KV events registered. Takes SGLang's own arguments."""
    from sglang.srt.managers.scheduler import run_scheduler_process

    from armature.engine.scheduler import kv_publisher

    kv_publisher.install()
    run_scheduler_process(*args, **kwargs)
