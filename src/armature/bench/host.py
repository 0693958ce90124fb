"""How busy the host is, apart from the run on it: sampled beside the nodes, and summed up for the summary."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from armature.bench.records import Sample
from armature.bench.summary import HostLoad, ServerSeries

NODE = "host"
OTHERS, STEAL, RUNNABLE = "host_cpu_others_ratio", "host_cpu_steal_ratio", "host_runnable_per_core"
_STAT = Path("/proc/stat")


class HostCpu:
    """Shares of all cores' time since the last look."""

    def __init__(self) -> None:
        self._last = (time.monotonic(), psutil.cpu_times())
        self._cores = os.cpu_count() or 1

    def samples(self, own_cores: float) -> list[Sample]:
        """own_cores: how many cores the run itself used since the last look."""
        (then, old), (now, new) = self._last, (time.monotonic(), psutil.cpu_times())
        self._last = (now, new)
        wall = (now - then) * self._cores
        if wall <= 0:
            return []
        idle = sum(getattr(new, name, 0.0) - getattr(old, name, 0.0) for name in ("idle", "iowait"))
        steal = getattr(new, "steal", 0.0) - getattr(old, "steal", 0.0)
        others = max(0.0, 1 - (idle + steal) / wall - own_cores / self._cores)
        t, found = time.time(), {OTHERS: others, STEAL: max(0.0, steal / wall)}
        if (runnable := runnable_processes()) is not None:
            found[RUNNABLE] = runnable / self._cores
        return [Sample(t, NODE, name, value) for name, value in found.items()]


def runnable_processes(stat: Path = _STAT) -> int | None:
    """Processes that run or wait for a core; None where the system does not say."""
    try:
        lines = stat.read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("procs_running ")), None)
    except (OSError, ValueError, IndexError):
        return None


def host_load(series: Iterable[ServerSeries]) -> HostLoad:
    """The means of the measured window."""
    means = {s.name: s.mean for s in series if s.node == NODE}
    return HostLoad(others=means.get(OTHERS), steal=means.get(STEAL), runnable_per_core=means.get(RUNNABLE))


def own_cores(samples: Sequence[Sample]) -> float:
    """Cores that the nodes of a run used, of one look at them."""
    return sum(s.value for s in samples if s.name == "host_cpu_cores")
