"""A run in the one process that Locust started."""

from __future__ import annotations

import time
from typing import Any

import gevent
from locust.env import Environment

from armature_load.driver import Driver
from armature_load.lanes import Share
from armature_load.locust_run import Known, fire_for, leave, prepare
from armature_load.phase import Reason
from armature_load.run import Run


class Local:
    """The only process."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._runs = 0
        self._run: Run | None = None
        self._driver: Driver | None = None
        self._greenlet: gevent.Greenlet | None = None
        self._known = Known(None)

    def start(self) -> None:
        self._run = run = prepare(self._environment, self._runs)
        if run is None:
            return
        self._runs += 1
        self._known = Known(run.settings.end.known.within if run.settings.end.known else None)
        self._driver = Driver(run.settings, self._environment.host or "", run.model, Share(), run.folder, self, self._fire)
        self._greenlet = gevent.spawn(self._driver.run)

    def stop(self) -> None:
        if self._driver is not None and self._greenlet is not None and gevent.getcurrent() is not self._greenlet:
            self._driver.stop("stopped")
            self._greenlet.join()

    def _fire(self, record: dict[str, Any]) -> None:
        fire_for(self._environment, record)

    def measure_at(self) -> float:
        at = time.time() + 0.01
        assert self._run is not None
        self._run.measuring(at)
        return at

    def sample(self, value_ms: float) -> None:
        if self._known.add(value_ms) and self._driver is not None:
            self._driver.stop("known")

    def done(self, process: int, report: dict[str, Any], reason: Reason) -> None:
        assert self._run is not None
        self._run.end(reason, [report])
        gevent.spawn(leave, self._environment, self._run, reason)
