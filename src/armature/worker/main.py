"""The process of one worker: from options to exit code."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import uvloop

from armature import memory
from armature.engine.arguments import value_of
from armature.runtime.endpoint import check_name
from armature.runtime.listener import check_system_port
from armature.runtime.planes import keep_reach
from armature.runtime.registration import check_parsers
from armature.worker.lifecycle import ServeOptions, live
from armature.worker.loading import StoppedWhileLoading, end_children, stop_signals, without_collecting
from armature.worker.roles import load
from armature.worker.roles.base import Role, WorkerSettings

logger = logging.getLogger(__name__)


def run(role_name: str, settings: WorkerSettings, options: ServeOptions) -> int:
    """Run a worker until it is told to stop; returns the exit code. Raises UserError for what it cannot be started with."""
    module = load(role_name)
    return run_role(lambda: module.open_role(settings), settings, options)


def run_role(open_role: Callable[[], Role], settings: WorkerSettings, options: ServeOptions) -> int:
    """`run` with the role's opening given: what is common to all roles."""
    check_name(options.endpoint)
    check_parsers(settings.tool_call_parser, settings.reasoning_parser)
    check_system_port(options.system_host, options.system_port)
    host = value_of("--host", settings.engine_args)
    keep_reach(options.planes, os.environ, filter(None, (options.system_host, host)))
    try:
        return uvloop.run(live(lambda: _open(open_role), options))
    except StoppedWhileLoading as e:
        logger.info("worker ended while the engine was loading: %s", e)
        end_children()
        return 0


def _open(open_role: Callable[[], Role]) -> Role:
    with stop_signals(), without_collecting():
        role = open_role()
    # Now, because on a CPU the schedulers are forks of this process: they compute in large blocks, which are faster kept.
    memory.return_large_blocks()
    return role
