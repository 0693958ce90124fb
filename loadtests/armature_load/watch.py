"""The client watches itself: what it adds to a latency is the time that its loop needs to come to a socket.

A greenlet that is due every 10 ms sees how late it runs; so late is whatever else is read then. Beside it the CPU that this
process uses: near a whole core, everything queues.
"""

from __future__ import annotations

import time
from array import array
from typing import Any

import gevent

from armature_load.clock import Sleeper, now
from armature_load.records import VERSION
from armature_load.settings import Limits

PERIOD_S = 0.01
CPU_PERIOD_S = 1.0


class Watch:
    """One process's own state, from `begin` to `end`."""

    def __init__(self) -> None:
        self._lags = array("d")
        self._cpu = array("d")
        self._greenlet: gevent.Greenlet | None = None
        self._began = (now(), time.process_time())
        self._used = (0.0, 0.0)  # seconds of the clock, of the CPU
        self.requests = 0
        self.chunks = 0
        self.late = 0
        self.dropped = 0

    def begin(self) -> None:
        self._began = (now(), time.process_time())
        self._greenlet = gevent.spawn(self._run)

    def end(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None
            self._used = (now() - self._began[0], time.process_time() - self._began[1])

    def _run(self) -> None:
        sleeper = Sleeper()
        due = now() + PERIOD_S
        window = (now(), time.process_time())
        try:
            while True:
                sleeper.until(due)
                t = now()
                self._lags.append(t - due)
                if t - window[0] >= CPU_PERIOD_S:
                    cpu = time.process_time()
                    self._cpu.append((cpu - window[1]) / (t - window[0]))
                    window = (t, cpu)
                due = max(due + PERIOD_S, t)  # a long stall is one lag, not hundreds
        finally:
            sleeper.close()

    def report(self, process: int, pid: int, limits: Limits, gaps: str | None = None) -> dict[str, Any]:
        """client.<process>.json. gaps: what this process's records lack, if anything."""
        lags = sorted(1e3 * lag for lag in self._lags)
        wall, cpu = self._used
        mean = cpu / wall if wall else 0.0
        p99 = _at(lags, 0.99)
        reasons = [gaps] if gaps else []
        if p99 > limits.lag_p99_ms:
            reasons.append(f"the client's event loop lagged {p99:.1f} ms (p99; limit {limits.lag_p99_ms:g}): latencies include this lag")
        if mean > limits.cpu:
            reasons.append(f"the client used {mean:.0%} of a core (limit {limits.cpu:.0%}): requests queued in the client")
        return {
            "v": VERSION,
            "process": process,
            "pid": pid,
            "lag_ms": {"p50": round(_at(lags, 0.5), 3), "p99": round(p99, 3), "max": round(_at(lags, 1.0), 3)},
            "cpu": {"mean": round(mean, 4), "max": round(max(self._cpu, default=mean), 4)},
            "valid": not reasons,
            "reasons": reasons,
            "late": self.late,
            "dropped": self.dropped,
            "cpu_s_per_request": round(cpu / self.requests, 6) if self.requests else 0.0,
            "cpu_us_per_chunk": round(1e6 * cpu / self.chunks, 2) if self.chunks else 0.0,
        }


def _at(values: list[float], q: float) -> float:
    return values[min(len(values) - 1, int(q * len(values)))] if values else 0.0
