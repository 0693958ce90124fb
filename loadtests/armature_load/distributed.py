"""A run in many processes (`--processes`, or `--master` and `--worker`).

The master makes no load: it hands the settings to the workers, starts their measuring together, and ends the run when all have
ended. Every worker has a `Driver` and a share of the requests.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import gevent
import gevent.event
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from armature_load.driver import Driver
from armature_load.lanes import Share
from armature_load.locust_run import Known, fire_for, leave, prepare
from armature_load.phase import Reason
from armature_load.run import Run
from armature_load.settings import from_data

# Messages between the master and its workers.
WARM, MEASURE, SAMPLES, STOP, DONE = "load_warm", "load_measure", "load_samples", "load_stop", "load_done"
HANDED_ON = "load_handed_on"  # the option in which the master's spawn message takes settings along
LEAD_S = 0.3  # between the master's word and the start: longer than a message takes
SAMPLES_S = 0.2  # how often a worker tells what it measured
LOST_S = 5.0  # a worker that the master has not heard of for so long has died

logger = logging.getLogger(__name__)


def _worst(reasons: set[Reason]) -> Reason:
    """Of the processes' reasons, the run's."""
    order: tuple[Reason, ...] = ("error", "stopped", "known", "time", "count")
    return min(reasons, key=order.index, default="error")


class Master:
    """Leads the workers."""

    def __init__(self, environment: Environment, runner: MasterRunner) -> None:
        self._environment = environment
        self._runner = runner
        self._runs = 0
        self._run: Run | None = None
        self._workers = 0
        self._warm: set[str] = set()
        self._done: dict[str, tuple[dict[str, Any], Reason]] = {}
        self._known = Known(None)
        self._watcher: gevent.Greenlet | None = None
        for name, listener in ((WARM, self._on_warm), (SAMPLES, self._on_samples), (DONE, self._on_done)):
            runner.register_message(name, listener)

    def start(self) -> None:
        self._run = run = prepare(self._environment, self._runs)
        self._warm, self._done = set(), {}
        if run is None:
            return
        self._runs += 1
        self._workers = self._runner.worker_count
        self._known = Known(run.settings.end.known.within if run.settings.end.known else None)
        handed = {"options": run.settings.shown() | {"headers": run.settings.headers}, "model": run.model, "workers": self._workers}
        ids = [c.id for c in self._runner.clients.ready + self._runner.clients.spawning + self._runner.clients.running]
        handed["shares"] = {client: k for k, client in enumerate(sorted(ids, key=self._runner.get_worker_index))}
        handed["folder"] = str(run.folder.absolute()) if run.folder else None
        setattr(self._environment.parsed_options, HANDED_ON, json.dumps(handed))
        self._watcher = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Locust stops the workers itself; their last words come meanwhile."""
        if self._run is not None:
            self._run.end("stopped", [report for report, _ in self._done.values()])

    def _on_warm(self, environment: Environment, msg: Any) -> None:
        self._warm.add(msg.node_id)
        if len(self._warm) == self._workers and self._run is not None:
            at = time.time() + LEAD_S
            self._run.measuring(at)
            self._runner.send_message(MEASURE, {"at": at})

    def _on_samples(self, environment: Environment, msg: Any) -> None:
        if any(self._known.add(value) for value in msg.data["values"]):
            self._runner.send_message(STOP, {"reason": "known"})

    def _on_done(self, environment: Environment, msg: Any) -> None:
        self._done[msg.node_id] = (msg.data["report"], msg.data["reason"])
        if msg.data["reason"] == "error":
            self._runner.send_message(STOP, {"reason": "error"})
        if len(self._done) == self._workers:
            self._finish()

    def _watch(self) -> None:
        """End when a worker is gone without a word."""
        last_seen = time.monotonic()
        while len(self._done) < self._workers:
            gevent.sleep(1)
            if self._runner.worker_count >= self._workers - len(self._done):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > LOST_S:
                logger.error("%d of %d workers are lost; ending the run", self._workers - self._runner.worker_count, self._workers)
                self._runner.send_message(STOP, {"reason": "error"})
                self._finish("error")
                return

    def _finish(self, reason: Reason | None = None) -> None:
        assert self._run is not None
        reasons = {why for _, why in self._done.values()}
        why = reason or _worst(reasons)
        self._run.end(why, [report for report, _ in self._done.values()])
        gevent.spawn(leave, self._environment, self._run, why)


class Worker:
    """Makes its share of the load."""

    def __init__(self, environment: Environment, runner: WorkerRunner) -> None:
        self._environment = environment
        self._runner = runner
        self._driver: Driver | None = None
        self._greenlet: gevent.Greenlet | None = None
        self._teller: gevent.Greenlet | None = None
        self._at: gevent.event.AsyncResult[float] = gevent.event.AsyncResult()
        self._values: list[float] = []
        runner.register_message(MEASURE, self._on_measure)
        runner.register_message(STOP, self._on_stop)

    def start(self) -> None:
        text = getattr(self._environment.parsed_options, HANDED_ON, None)
        if text is None:
            logger.error("the master runs another locustfile: start it with this one")
            return
        handed = json.loads(text)
        if self._runner.client_id not in handed["shares"]:
            logger.warning("this worker joined after the run began; it waits for the next run")
            return
        self._at, self._values = gevent.event.AsyncResult(), []
        share = Share(handed["shares"][self._runner.client_id], handed["workers"])
        folder = Path(handed["folder"]) if handed["folder"] else None
        self._driver = Driver(from_data(handed["options"]), self._environment.host or "", handed["model"], share, folder, self, self._fire)
        self._greenlet = gevent.spawn(self._driver.run)
        self._teller = gevent.spawn(self._tell)

    def stop(self) -> None:
        if self._driver is not None and self._greenlet is not None and gevent.getcurrent() is not self._greenlet:
            self._driver.stop("stopped")
            if not self._at.ready():
                self._at.set_exception(gevent.GreenletExit())  # it waits for the others, and they for nothing
            self._greenlet.join()

    def _fire(self, record: dict[str, Any]) -> None:
        fire_for(self._environment, record)

    def _on_measure(self, environment: Environment, msg: Any) -> None:
        self._at.set(msg.data["at"])

    def _on_stop(self, environment: Environment, msg: Any) -> None:
        if self._driver is not None:
            self._driver.stop(msg.data["reason"])

    def _tell(self) -> None:
        while True:
            gevent.sleep(SAMPLES_S)
            self._send_samples()

    def _send_samples(self) -> None:
        if self._values:
            values, self._values = self._values, []
            self._runner.send_message(SAMPLES, {"values": values})

    def measure_at(self) -> float:
        self._runner.send_message(WARM)
        return float(self._at.get())

    def sample(self, value_ms: float) -> None:
        self._values.append(value_ms)

    def done(self, process: int, report: dict[str, Any], reason: Reason) -> None:
        if self._teller is not None:
            self._teller.kill()
        self._runner.send_message(DONE, {"report": report, "reason": reason})
