"""What every run does with Locust, in one process or in many: it begins, tells its statistics, and ends."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment

from armature_load import options
from armature_load.discovery import CannotStart
from armature_load.known import BatchMeans
from armature_load.phase import Reason
from armature_load.reading import SettingsError
from armature_load.run import INVALID, Run

logger = logging.getLogger(__name__)


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
        logger.error(
            "The load generator's measurement is unusable, so the run is invalid. If it was too slow, use more --processes or more hosts."
        )
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
