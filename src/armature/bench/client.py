"""The load generator's own health, over all of its processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from armature.bench.read import LoadFolder
from armature.bench.records import Client
from armature.bench.summary import ClientHealth


def health(folder: LoadFolder) -> ClientHealth:
    """The worst of all processes. A process that sent requests and left no word of itself cannot be trusted."""
    clients = folder.clients
    reasons = [f"process {c.process}: {reason}" for c in clients if not c.valid for reason in c.reasons or ["no reason given"]]
    silent = sorted({r.process for r in folder.requests} - {c.process for c in clients})
    reasons += [f"process {p} left no client.{p}.json, so it was killed" for p in silent]
    return ClientHealth(
        valid=not reasons,
        reasons=reasons,
        processes=len(clients) + len(silent),
        lag_p50_ms=_worst(clients, lambda c: c.lag_ms.p50 if c.lag_ms else None),
        lag_p99_ms=_worst(clients, lambda c: c.lag_ms.p99 if c.lag_ms else None),
        lag_max_ms=_worst(clients, lambda c: c.lag_ms.max if c.lag_ms else None),
        cpu_mean=_worst(clients, lambda c: c.cpu.mean if c.cpu else None),
        cpu_max=_worst(clients, lambda c: c.cpu.max if c.cpu else None),
        late=sum(c.late for c in clients),
        dropped=sum(c.dropped for c in clients),
        cut_off_files=folder.cut_off,
    )


def _worst(clients: Sequence[Client], figure: Callable[[Client], float | None]) -> float | None:
    return max((v for c in clients if (v := figure(c)) is not None), default=None)
