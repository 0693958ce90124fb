"""The load as Locust runs it: its options, and what this process is in the run."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Protocol

import psutil
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from armature_load import options
from armature_load.distributed import Master, Worker
from armature_load.local import Local
from armature_load.reading import SettingsError


class Role(Protocol):
    """What this process is in the run."""

    def start(self) -> None:
        """A test starts."""

    def stop(self) -> None:
        """The test is over or was stopped: leave whole files."""


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
            raise SettingsError("--host", "must be set: the server's URL, such as http://127.0.0.1:8000")
        if settings.record_dir and environment.parsed_options.run_time:
            raise SettingsError("--run-time", "is Locust's own option and would cut off requests; use --time-s")
    except SettingsError as e:
        sys.stderr.write(f"locust: error: {e}\n")
        # Locust (2.47) has forked its --processes by now, and at its exit forgets those that still run: they would wait for a master.
        for child in psutil.Process().children():
            child.terminate()
        sys.exit(2)
