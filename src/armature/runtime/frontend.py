"""The HTTP frontend: the runtime's Rust server, started and ended by us.

Added to what the runtime does by itself: TCP_NODELAY on its listener; a port in use is named before anything starts; a
worker of this machine that died is forgotten at once (`runtime.departed`); /live answers 200 while it drains (its own
answers 503, and a supervisor that restarts on that would cut the very streams that it drains); an error before a stream's
first chunk becomes the HTTP status that it is, not an event in a stream with status 200; a model that is expected is known
also while no worker serves it (`runtime.standby`); Anthropic's /v1/messages is served, and /busy_threshold is not. What a
client may ask and what it gets: docs/reference/requests.md.

The end: at SIGTERM or SIGINT /health answers 503 and new requests get 503, streams that are open finish, bounded by
`drain_s`, and the process ends with 0. A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from armature import env, memory
from armature.address import LOOPBACK, url
from armature.confine.reach import EVERY
from armature.errors import UserError, nearest
from armature.limits import BODY_MB
from armature.runtime.departed import Departures
from armature.runtime.listener import require_free, set_nodelay
from armature.runtime.listing import Listing
from armature.runtime.planes import Planes, connect, keep_reach, prepare
from armature.runtime.signals import Stop
from armature.runtime.standby import ENDPOINT, Expected, expect, until_known

if TYPE_CHECKING:
    from dynamo.runtime import DistributedRuntime

logger = logging.getLogger(__name__)

# The runtime's own liveness moves here, so that ours can answer at /live.
RUNTIME_LIVE_PATH = "/runtime/live"
# How long a stream's status line may wait for its first chunk. The chunk itself is not held back by it.
ERROR_PEEK_MS = 60_000
# What the runtime gets beyond drain_s to close its own tasks, before we stop waiting for it.
CLOSE_S = 2.0


@dataclass(frozen=True, slots=True)
class FrontendOptions:
    """host, port: where HTTP is served. router_mode: how workers are chosen, see `router_modes`.
    kv_events, kv_overlap_weight, kv_temperature: for mode kv, see `_router_config`. busy_blocks, busy_prefill_tokens: the part
    of its KV blocks in use, and the prompt tokens before it, at which a worker gets no more requests.
    migration_limit: how often a request is sent to another worker when its own dies, cannot be reached, or leaves before it answers.
    drain_s: seconds for open streams to finish at the end. body_mb: megabytes of a request's body.
    expected: a model that is known, and answered with 503, also while no worker serves it.
    admin: whether /busy_threshold is served, by which anyone who reaches the port reads and sets what `busy_blocks` sets.
    """

    host: str = LOOPBACK
    port: int = 8000
    router_mode: str = "round_robin"
    kv_events: bool = True
    kv_overlap_weight: float = 4.0
    kv_temperature: float = 0.0
    busy_blocks: float | None = None
    busy_prefill_tokens: int | None = None
    migration_limit: int = 1
    drain_s: float = 30.0
    body_mb: int = BODY_MB
    expected: Expected | None = None
    admin: bool = False
    planes: Planes = field(default_factory=Planes)


def router_modes() -> dict[str, Any]:
    """Every way to choose a worker that the runtime has: name in snake_case -> its own value."""
    from dynamo.llm import RouterMode

    return {snake_case(name): getattr(RouterMode, name) for name in dir(RouterMode) if name[0].isupper()}


def snake_case(name: str) -> str:
    """PowerOfTwoChoices -> power_of_two_choices; KV -> kv."""
    words: list[str] = []
    for i, letter in enumerate(name):
        if letter.isupper() and (i == 0 or not name[i - 1].isupper()):
            words.append("")
        words[-1] += letter.lower()
    return "_".join(words)


def router_mode(name: str) -> Any:
    """The runtime's value for `name`. Raises a UserError with the nearest name."""
    modes = router_modes()
    if name not in modes:
        guess = nearest(name, modes)
        raise UserError(
            f"there is no router mode {name!r}",
            where="--router-mode",
            expected=" | ".join(modes),
            fix=f"did you mean {guess!r}?" if guess else None,
        )
    return modes[name]


def prepare_environment(options: FrontendOptions, environ: MutableMapping[str, str]) -> None:
    """Put what the runtime reads at its start into `environ`."""
    prepare(options.planes, environ)
    environ[env.DYN_HTTP_LIVE_PATH] = RUNTIME_LIVE_PATH
    environ[env.DYN_HTTP_DRAIN_S] = str(max(1, round(options.drain_s)))
    environ[env.DYN_PACKED_IDS] = "1"
    environ[env.DYN_HTTP_BODY_MB] = str(options.body_mb)
    environ[env.DYN_HTTP_NO_ADMIN] = "0" if options.admin else "1"
    environ.setdefault(env.DYN_HTTP_OVERLOAD_STATUS, "503")
    environ.setdefault(env.DYN_HTTP_ERROR_PEEK_MS, str(ERROR_PEEK_MS))


async def run(options: FrontendOptions, tune_listener: Callable[[int], bool] = set_nodelay) -> int:
    """Serve until a signal; returns the exit code.

    tune_listener: called with the port until it returns True, once something listens there.
    """
    mode = router_mode(options.router_mode)
    require_free(options.host, options.port)
    prepare_environment(options, os.environ)
    everywhere = options.host in EVERY
    keep_reach(options.planes, os.environ, () if everywhere else (options.host,), (options.port,) if everywhere else ())

    from dynamo._core import EngineType, EntrypointArgs, FrontendRoute, make_engine, run_input

    stop = Stop()
    stop.install()
    runtime = connect(options.planes)
    if options.expected is not None:
        await expect(runtime, options.expected)
    engine = await make_engine(
        runtime,
        EntrypointArgs(
            EngineType.Dynamic,
            http_host=options.host,
            http_port=options.port,
            router_config=_router_config(mode, options),
            migration_limit=options.migration_limit,
            enable_anthropic_api=True,
        ),
    )
    routes = [FrontendRoute("GET", "/live", lambda _: {"status": "live"})]
    server = asyncio.ensure_future(run_input(runtime, "http", engine, routes))
    announcing = asyncio.create_task(_announce(options, tune_listener))
    beside = [*_watch_discovery(runtime, options.planes), asyncio.create_task(memory.keep_returning(), name="the memory watch")]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
    announcing.cancel()
    if server.done():
        stopping.cancel()
        return _unasked_end(server)
    for task in beside:
        task.cancel()
    runtime.shutdown()
    done, _ = await asyncio.wait({server}, timeout=options.drain_s + CLOSE_S)
    if not done:
        logger.warning("open streams did not finish within %g s; ending without them", options.drain_s)
    logger.info("frontend ended")
    return 0


def _watch_discovery(runtime: DistributedRuntime, planes: Planes) -> list[asyncio.Task[None]]:
    """Where the discovery is a folder: forget workers of this machine that die, and keep the model that is expected."""
    if planes.discovery != "file" or (folder := planes.file_kv) is None:
        return []
    mine = Listing(folder, runtime.endpoint(ENDPOINT).connection_id(), lambda _: True)
    return [
        asyncio.create_task(Departures(folder).watch(), name="departures"),
        asyncio.create_task(mine.keep(), name="the discovery watch"),
    ]


def _router_config(mode: Any, options: FrontendOptions) -> Any:
    """How requests are spread. Mode kv weighs the blocks of a prompt that a worker has cached against its load."""
    from dynamo._core import KvRouterConfig, RouterConfig
    from dynamo.llm import RouterMode

    kv = KvRouterConfig(
        use_kv_events=options.kv_events,
        prefill_load_scale=options.kv_overlap_weight,
        overlap_score_credit=1.0 if options.kv_overlap_weight else 0.0,
        router_temperature=options.kv_temperature,
    )
    return RouterConfig(
        mode,
        kv if mode == RouterMode.KV else None,
        active_decode_blocks_threshold=options.busy_blocks,
        active_prefill_tokens_threshold=options.busy_prefill_tokens,
    )


async def _announce(options: FrontendOptions, tune_listener: Callable[[int], bool]) -> None:
    """Say once that requests are served as they should be."""
    while not tune_listener(options.port):
        await asyncio.sleep(0.002)
    if options.expected is not None:
        await until_known(options.host, options.port, options.expected)
    logger.info("frontend ready on %s", url(options.host, options.port))


def _unasked_end(server: asyncio.Future[Any]) -> int:
    error = None if server.cancelled() else server.exception()
    logger.error("the HTTP server ended unexpectedly: %s", error or "no reason given")
    return 1
