"""What runs inside SGLang's scheduler processes. It is added through SGLang's own extension points; no file of it is edited.

run                     the process's function: adds what follows, then runs SGLang's scheduler
heartbeat               reports of its load in time, which are its sign of life
kv_publisher            the publisher of KV events that `--kv-events-config` names `armature`
grammars                the cache and the threads of compiled guides, bounded
guide_steps             a limit on what following a guide takes
dead_ends               a request for which no token is allowed ends alone
garbage                 garbage collection skips what was created before serving
resumed                 requests that go on here after another worker had sent part of their output
transfers               KV caches in many pieces go to another engine in parts
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any

from armature import env
from armature.confine import sweep


def run(server_args: Any, port_args: Any, gpu_id: int, tp_rank: int, pp_rank: int, dp_rank: int | None, *args: Any, **kwargs: Any) -> None:
    """SGLang's scheduler process, with what this package adds. Takes SGLang's own arguments.

    With KV events and metrics both on, SGLang would also send its load as pickles to a socket, over TCP where ranks do. Nobody
    here reads them (docs/decisions/0005-metrics.md), and unread they would pile up: they are not sent.
    """
    from sglang.srt.managers.scheduler import run_scheduler_process
    from sglang.srt.managers.scheduler_components.kv_events_publisher import SchedulerKvEventsPublisher

    from armature.engine.scheduler import dead_ends, garbage, grammars, guide_steps, heartbeat, kv_publisher, resumed, transfers

    # A fresh interpreter, on GPUs: its parent has left word. A fork of the worker does as the worker does.
    sweep.keep_on(env.REACH, os.environ)
    if dp_rank is not None and not server_args.enable_dp_attention:
        meet_apart(dp_rank, os.environ)
    heartbeat.install()
    kv_publisher.install()
    grammars.install()
    guide_steps.install()
    dead_ends.install()
    garbage.install()
    resumed.install()
    if server_args.disaggregation_mode == "prefill":
        transfers.install()
    SchedulerKvEventsPublisher.emit_kv_metrics = lambda self: None
    run_scheduler_process(server_args, port_args, gpu_id, tp_rank, pp_rank, dp_rank, *args, **kwargs)


def meet_apart(dp_rank: int, environ: MutableMapping[str, str]) -> None:
    """Let a data-parallel copy's ranks meet at a file of their own, where ranks meet at a file."""
    if (place := environ.get(env.SGLANG_RENDEZVOUS, "")).startswith("file://"):
        environ[env.SGLANG_RENDEZVOUS] = f"{place}-{dp_rank}"
