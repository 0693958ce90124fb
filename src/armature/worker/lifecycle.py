"""A worker's life: engine, canary, endpoint, model; then the same backwards.

    open the role (the engine loads)      nothing is announced
    canary, warm-up                       one real token through the engine, then each kind of request once
    serve the endpoint, register model    from here on requests come; /health of the system server answers 200
    wait                                  for a signal, a dead engine, or the runtime giving up; a rank that falls silent stops
                                          new requests, and ends the worker within check_s, see `worker.liveness`
    unregister                            first of all: no new request comes; /health answers 503
    drain                                 what is in flight finishes, bounded by drain_s
    end the runtime, end the engine       exit 0. When the end was not asked for: exit 1 with the reason, connections cut

A second signal ends the engine's processes and this one at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from armature import memory
from armature.address import LOOPBACK
from armature.runtime.departed import sign_in
from armature.runtime.egress import Egress
from armature.runtime.endpoint import Served
from armature.runtime.listing import Listing
from armature.runtime.planes import Planes, connect, prepare, prepare_system
from armature.runtime.signals import Stop
from armature.worker.control import server as control
from armature.worker.control.server import ControlOptions
from armature.worker.liveness import keep_watch
from armature.worker.roles.base import Companion, Role

if TYPE_CHECKING:
    from dynamo.runtime import DistributedRuntime, Endpoint

logger = logging.getLogger(__name__)

# New requests that were routed before the frontend heard of the withdrawal still arrive within this time, on a busy host, too.
ROUTING_LAG_S = 1.0
# What the runtime gets to close its own tasks.
CLOSE_S = 1.0


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """endpoint: namespace.component.endpoint. system_port: of /health, /live and /metrics; None: no such server.
    egress: see `runtime.egress`. drain_s: seconds for requests in flight to finish at the end.
    check_s: seconds of silence after which a rank of the engine counts as dead; 0: never. control: the commands that it takes; None: none.
    """

    endpoint: str = "dynamo.backend.generate"
    egress: Egress = "push"
    drain_s: float = 30.0
    check_s: float = 10.0
    system_host: str = LOOPBACK
    system_port: int | None = None
    planes: Planes = field(default_factory=Planes)
    control: ControlOptions | None = None


def prepare_environment(options: ServeOptions) -> None:
    """Put what the runtime reads at its start into this process's environment."""
    prepare(options.planes, os.environ)
    prepare_system(options.system_host, options.system_port, os.environ)


async def live(open_role: Callable[[], Role], options: ServeOptions) -> int:
    """Live as a worker; returns the exit code. Raises what opening the role and joining the planes raise."""
    role = open_role()
    stop = Stop(on_force=role.close)
    try:
        _take_signals(stop)
        await _check(role, stop)
        # SGLang takes SIGTERM and SIGQUIT over with its first request; here they mean what this module says.
        _take_signals(stop)
        role.watch(lambda name: stop.request(f"{name} of the engine died; its last lines are above", failed=True))
        if not stop.requested:
            await _serve(role, options, stop)
    finally:
        role.close()
    if stop.broken.is_set():
        logger.error("worker ended: %s", stop.reason)
        return 1
    logger.info("worker ended: %s", stop.reason)
    return 0


async def _check(role: Role, stop: Stop) -> None:
    """The canary and the warm-up, given up on a signal."""
    canary = asyncio.create_task(_first_requests(role))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({canary, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not canary.done():
        canary.cancel()
    elif error := canary.exception():
        stop.request(f"the engine did not answer its first requests: {str(error) or type(error).__name__}", failed=True)


async def _first_requests(role: Role) -> None:
    await role.canary()
    await role.warm_up()


async def _serve(role: Role, options: ServeOptions, stop: Stop) -> None:
    prepare_environment(options)
    runtime = connect(options.planes)
    card = role.card
    served = Served(runtime, options.endpoint, role.stream, options.egress, {"model": card.name})
    serving = served.start()

    def ended_by_itself(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        stop.request(f"{task.get_name()} ended unexpectedly: {error or 'no reason given'}", failed=True)

    beside = [asyncio.create_task(_companion(c, served.endpoint), name=getattr(c, "__qualname__", "companion")) for c in role.companions()]
    if options.planes.discovery == "file" and (folder := options.planes.file_kv) is not None:
        instance = served.endpoint.connection_id()
        sign_in(folder, instance)
        beside.append(asyncio.create_task(Listing(folder, instance, served.wants).keep(), name="the discovery watch"))
    beside.append(asyncio.create_task(memory.keep_returning(), name="the memory watch"))
    for task in (serving, *beside):
        task.add_done_callback(ended_by_itself)
    watching = keep_watch(role.signs, _OnSilence(served, runtime, stop), options.check_s)
    checking = asyncio.create_task(watching, name="the rank watch")
    checking.add_done_callback(lambda task: None if task.cancelled() or not task.exception() else ended_by_itself(task))
    try:
        async with control.serving(options.control, role.routes()):
            await served.register(card)
            runtime.set_health_status(True)
            logger.info("worker ready: %s as %s, egress %s", card.name, options.endpoint, options.egress)
            await stop.wait()
        checking.cancel()
        runtime.set_health_status(False)
        await served.withdraw()
        await _drain(served, options.drain_s, stop)
        if stop.broken.is_set():
            _cut(role, stop)
    finally:
        for task in (serving, *beside):
            task.remove_done_callback(ended_by_itself)
        for task in (checking, *beside):
            task.cancel()
        runtime.shutdown()
        await asyncio.wait({serving}, timeout=CLOSE_S)


async def _companion(companion: Companion, endpoint: Endpoint) -> None:
    await companion(endpoint)


@dataclass(frozen=True, slots=True)
class _OnSilence:
    """See `worker.liveness.Actions`."""

    served: Served
    runtime: DistributedRuntime
    stop: Stop

    async def suspend(self, why: str) -> bool:
        logger.warning("not accepting requests: %s", why)
        self.runtime.set_health_status(False)
        return await self.served.suspend()

    async def resume(self) -> bool:
        logger.warning("accepting requests again: all ranks respond")
        self.runtime.set_health_status(True)
        return await self.served.resume()

    def give_up(self, why: str) -> None:
        self.stop.request(why, failed=True)


def _cut(role: Role, stop: Stop) -> NoReturn:
    """End at once, with 1. Requests in flight see their connection break, by which the frontend knows that another worker
    may go on with them; from an orderly end it would take that they were cancelled."""
    logger.error("worker ended: %s", stop.reason)
    try:
        role.close()
    finally:
        logging.shutdown()
        os._exit(1)


async def _drain(served: Served, drain_s: float, stop: Stop) -> None:
    """Wait for what is in flight, at most `drain_s` seconds, and not at all once the engine is dead."""

    async def finished() -> None:
        await asyncio.sleep(ROUTING_LAG_S)
        if not await served.in_flight.drained(drain_s):
            logger.warning("%d requests did not finish within %g s; ending without them", served.in_flight.count, drain_s)

    drained, broken = asyncio.create_task(finished()), asyncio.create_task(stop.broken.wait())
    await asyncio.wait({drained, broken}, return_when=asyncio.FIRST_COMPLETED)
    drained.cancel()
    broken.cancel()


def _take_signals(stop: Stop) -> None:
    """Stop signals, and SIGQUIT: by it SGLang's processes tell this one of their death."""
    stop.install()
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGQUIT, lambda: stop.request("a process of the engine died; its last lines are above", failed=True)
    )
