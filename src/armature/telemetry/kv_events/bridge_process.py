"""The process of the bridge: from options to exit code. See `bridge`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from armature.address import LOOPBACK
from armature.runtime.endpoint import check_name
from armature.runtime.kv_events import RankPublisher, watch_workers, worker_id
from armature.runtime.listener import check_system_port
from armature.runtime.metrics import show
from armature.runtime.planes import Planes, connect, keep_reach, prepare, prepare_system
from armature.runtime.signals import Stop
from armature.telemetry import catalogue
from armature.telemetry.catalogue import Value
from armature.telemetry.exposition import text
from armature.telemetry.kv_events import jetstream
from armature.telemetry.kv_events.bridge import Bridge
from armature.telemetry.kv_events.durable import Component, Rank, Reader, forget, open_stream

if TYPE_CHECKING:
    from dynamo.runtime import DistributedRuntime, Endpoint
    from nats.js import JetStreamContext

READY = "kv bridge ready"  # in the log; the graph waits for it

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """endpoints: those whose workers write KV events, namespace.component.endpoint. nats_url: the server with the stream.
    system_port: of /metrics, on loopback; None: no such server."""

    endpoints: tuple[str, ...]
    nats_url: str | None
    system_port: int | None = None
    planes: Planes = field(default_factory=Planes)


async def run(options: BridgeOptions) -> int:
    """Publish until a signal; returns the exit code."""
    names = [check_name(name) for name in options.endpoints]
    check_system_port(LOOPBACK, options.system_port)
    prepare(options.planes, os.environ)
    prepare_system(LOOPBACK, options.system_port, os.environ)
    keep_reach(options.planes, os.environ)
    stop = Stop()
    stop.install()
    client = await jetstream.connect(options.nats_url)
    runtime = connect(options.planes)
    try:
        bridging = asyncio.create_task(_bridge(runtime, client.jetstream(), names))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({bridging, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if bridging.done():
            bridging.result()
        bridging.cancel()
        await asyncio.wait({bridging})
    finally:
        runtime.shutdown()
        await client.close()
    logger.info("bridge ended")
    return 0


async def _bridge(runtime: DistributedRuntime, js: JetStreamContext, names: Sequence[str]) -> None:
    behind = set(names)
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            component = Component(*name.split(".")[:2])
            await open_stream(js, component)
            endpoint = runtime.endpoint(name)
            reader = Reader(js, component)
            bridge = Bridge(reader, partial(_source, endpoint), partial(forget, js, component))
            show(endpoint, partial(_series, endpoint, component, bridge, reader))
            tasks.create_task(bridge.run(partial(_caught_up, name, bridge, behind)), name=f"bridge of {name}")
            tasks.create_task(bridge.keep_clean(await watch_workers(endpoint)), name=f"watch of the workers of {name}")


def _series(endpoint: Endpoint, component: Component, bridge: Bridge, reader: Reader) -> str:
    labels = {"worker_id": f"{worker_id(endpoint):x}", "dynamo_namespace": component.namespace, "dynamo_component": component.name}
    values = (Value(catalogue.BRIDGE_BLOCKS, bridge.blocks), Value(catalogue.BRIDGE_MISSED, reader.missed))
    return text(values, (), labels | {"role": "kv-bridge"})


def _source(endpoint: Endpoint, rank: Rank, block_size: int) -> RankPublisher:
    return RankPublisher(endpoint, rank.rank, block_size, rank.worker)


def _caught_up(name: str, bridge: Bridge, behind: set[str]) -> None:
    logger.info("%s: read %d blocks from the stream", name, bridge.blocks)
    behind.discard(name)
    if not behind:
        logger.info(READY)
