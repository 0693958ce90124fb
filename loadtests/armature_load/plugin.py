"""The load as Locust runs it: its options, its workers and its statistics.

Every process that makes load has one `Driver`. In a distributed run (`--processes`, or `--master` and `--worker`) the master
has none: it hands the settings to the workers, starts their measuring together, and ends the run when all have ended.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import gevent
import gevent.event
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from armature_load import options
from armature_load.driver import Driver
from armature_load.known import BatchMeans
from armature_load.lanes import Share
from armature_load.phase import Reason
from armature_load.reading import SettingsError
from armature_load.run import INVALID, CannotStart, Run
from armature_load.settings import from_data

# Messages between the master and its workers.
WARM, MEASURE, SAMPLES, STOP, DONE = "load_warm", "load_measure", "load_samples", "load_stop", "load_done"
HANDED_ON = "load_handed_on"  # the option in which the master's spawn message takes settings along
LEAD_S = 0.3  # between the master's word and the start: longer than a message takes
SAMPLES_S = 0.2  # how often a worker tells what it measured
LOST_S = 5.0  # a worker that the master has not heard of for so long has died

logger = logging.getLogger(__name__)


class Role(Protocol):
    """What this process is in the run."""

    def start(self) -> None:
        """A test starts."""

    def stop(self) -> None:
        """The test is over or was stopped: leave whole files."""


class Known:
    """Ends the run once the mean is known."""

    def __init__(self, within: float | None) -> None:
        self._within = within
        self._means = BatchMeans()

    def add(self, value: float) -> bool:
        """Whether it is known now."""
        self._means.add(value)
        return self._within is not None and self._means.relative_half_width() <= self._within


def fire_for(environment: Environment, record: dict[str, Any]) -> None:
    """Locust's statistics of a request: its whole time, its first token and its mean time between tokens."""
    fire, name = environment.events.request.fire, record["class"]
    error = record["error"]
    exception = RuntimeError(f"{error['kind']}: {error['text'][:200]}") if error else None
    fire(request_type="POST", name=name, response_time=record["e2e_ms"], response_length=0, exception=exception, context={})
    if record["ttft_ms"] is not None:
        fire(request_type="TTFT", name=name, response_time=record["ttft_ms"], response_length=0, exception=None, context={})
    if gaps := record["gaps_ms"]:
        # One value per request: an event per token would cost more than reading it. The records hold every gap.
        fire(request_type="ITL", name=name, response_time=sum(gaps) / len(gaps), response_length=0, exception=None, context={})


def leave(environment: Environment, run: Run, reason: Reason) -> None:
    """The run has ended: say what is wrong with it, and end Locust, except where its web page stays."""
    for why in run.reasons:
        logger.error("invalid: %s", why)
    if run.reasons:
        environment.process_exit_code = INVALID
        logger.error("The client was too slow for this load, so the run is invalid. Use more --processes, or more hosts.")
    if reason == "error" and environment.process_exit_code is None:
        environment.process_exit_code = 1
    logger.info("the load ended: %s", reason)
    runner, parsed = environment.runner, environment.parsed_options
    assert runner is not None
    if parsed is None or parsed.headless:
        runner.quit()
        return
    runner.stop()
    if parsed.autostart and parsed.autoquit >= 0:
        gevent.sleep(parsed.autoquit)
        runner.quit()
        if environment.web_ui:
            environment.web_ui.stop()


def prepare(environment: Environment, count: int) -> Run | None:
    """The run that the options describe, `count` being how many ran before; None when it cannot start, which ends Locust."""
    try:
        settings = options.resolve(environment.parsed_options)
        folder = Path(settings.record_dir) if settings.record_dir else None
        run = Run(settings, environment.host or "", folder / f"run-{count + 1}" if folder and count else folder)
        run.start()
        return run
    except (SettingsError, CannotStart) as e:
        logger.error("%s", e)
        environment.process_exit_code = 2
        gevent.spawn(environment.runner.quit if environment.parsed_options.headless else environment.runner.stop)
        return None


def _worst(reasons: set[Reason]) -> Reason:
    """Of the processes' reasons, the run's."""
    order: tuple[Reason, ...] = ("error", "stopped", "known", "time", "count")
    return min(reasons, key=order.index, default="error")


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
                logger.error("%d of %d workers are gone; the run ends", self._workers - self._runner.worker_count, self._workers)
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
            logger.error("the master runs no load of ours: start it with the same locustfile")
            return
        handed = json.loads(text)
        if self._runner.client_id not in handed["shares"]:
            logger.warning("this worker came after the run began; it waits for the next")
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


def install() -> None:
    """Take part in Locust's run; a locustfile calls this once."""
    events.init_command_line_parser.add_listener(_on_parser)
    events.init.add_listener(_on_init)


def _on_parser(parser: argparse.ArgumentParser, **_: object) -> None:
    options.add(parser)


def _on_init(environment: Environment, runner: Any, **_: object) -> None:
    parsed = environment.parsed_options
    role: Role
    if isinstance(runner, WorkerRunner):
        role = Worker(environment, runner)
    else:
        _check_now(environment)
        # One user per process keeps Locust's runner going; what is in flight is the load's own business.
        parsed.num_users = parsed.expect_workers if isinstance(runner, MasterRunner) else 1
        parsed.spawn_rate = parsed.num_users
        role = Master(environment, runner) if isinstance(runner, MasterRunner) else Local(environment)
    environment.events.test_start.add_listener(lambda environment, **_: role.start())
    environment.events.test_stopping.add_listener(lambda environment, **_: role.stop())


def _check_now(environment: Environment) -> None:
    """What is wrong in the options ends Locust before it starts anything."""
    try:
        settings = options.resolve(environment.parsed_options)
        if environment.parsed_options.headless and not environment.host:
            raise SettingsError("--host", "must be set: the server's URL, for instance http://127.0.0.1:8000")
        if settings.record_dir and environment.parsed_options.run_time:
            raise SettingsError("--run-time", "is Locust's own, and would cut requests off; use --time-s")
    except SettingsError as e:
        sys.stderr.write(f"locust: error: {e}\n")
        sys.exit(2)
