"""The process of one worker: from options to exit code."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Callable, Iterator

import psutil
import uvloop

from armature.errors import UserError
from armature.runtime.endpoint import check_name
from armature.runtime.listener import require_free
from armature.runtime.registration import check_parsers
from armature.worker.lifecycle import ServeOptions, live
from armature.worker.roles import load
from armature.worker.roles.base import Role, WorkerSettings

MAX_SYSTEM_PORT = 2**15 - 1

logger = logging.getLogger(__name__)


class StoppedWhileLoading(BaseException):
    """A stop signal came before the engine was there. Not an Exception: nothing on its way may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)


def run(role_name: str, settings: WorkerSettings, options: ServeOptions) -> int:
    """Run a worker until it is told to stop; returns the exit code. Raises UserError for what it cannot be started with."""
    module = load(role_name)
    return run_role(lambda: module.open_role(settings), settings, options)


def run_role(open_role: Callable[[], Role], settings: WorkerSettings, options: ServeOptions) -> int:
    """`run` with the role's opening given: what is common to all roles."""
    check_name(options.endpoint)
    check_parsers(settings.tool_call_parser, settings.reasoning_parser)
    if options.system_port is not None:
        if options.system_port > MAX_SYSTEM_PORT:
            raise UserError(
                f"the runtime cannot serve /health on port {options.system_port}",
                where="--system-port",
                expected=f"at most {MAX_SYSTEM_PORT}: the runtime reads this port as a signed 16-bit number",
            )
        require_free(options.system_host, options.system_port, "--system-port")
    try:
        return uvloop.run(live(lambda: _open(open_role), options))
    except StoppedWhileLoading as e:
        logger.info("worker ended while the engine was loading: %s", e)
        _end_children()
        return 0


def _open(open_role: Callable[[], Role]) -> Role:
    with _signals_end_loading():
        return open_role()


def _end_children() -> None:
    """An engine that was cut off while loading has nobody to end its processes."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


@contextlib.contextmanager
def _signals_end_loading() -> Iterator[None]:
    """Loading blocks the event loop, so its handlers would wait for the end of it; these do not."""

    def stop(number: int, _frame: object) -> None:
        raise StoppedWhileLoading(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
