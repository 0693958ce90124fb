"""Joins the planes that the environment names, as a worker does, and publishes an event five times a second."""

from __future__ import annotations

import asyncio
import itertools
import os

from armature.runtime.logs import configure
from armature.runtime.planes import connect, from_env, prepare

ENDPOINT = "armature.events.generate"  # nobody's worker: no router counts its figures


async def main() -> None:
    planes = from_env(os.environ)
    prepare(planes, os.environ)
    endpoint = connect(planes).endpoint(ENDPOINT)

    from dynamo.llm import WorkerMetricsPublisher

    metrics = WorkerMetricsPublisher()
    await metrics.create_endpoint(endpoint)
    for i in itertools.count():
        metrics.publish(dp_rank=0, active_decode_blocks=i)
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    configure()
    asyncio.run(main())
