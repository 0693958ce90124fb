"""A model that a frontend knows although no worker serves it now.

The runtime forgets a model with its last worker, and answers 404 with an empty body from then on; so does a frontend that has just
started. To a client, 404 says that the name is wrong, and it does not ask again. So the frontend registers the model that it
expects by itself as well, in a namespace of its own and without an instance. The runtime gives requests to namespaces by their
number of instances, so this one never gets any; but the model stays known, and without a worker the answer is 503, after which
clients do ask again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from armature.errors import UserError
from armature.roles.apis import APIS, TEXT, Api
from armature.runtime.registration import model_type

if TYPE_CHECKING:
    from dynamo.runtime import DistributedRuntime

ENDPOINT = "armature-standby.frontend.model"
POLL_S = 0.01
# An empty request. The runtime closes its routes until it knows a model for them, and a closed one answers 404 to anything.
_PROBE = "POST {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Expected:
    """A model that workers will serve. name: what clients ask for. path: its folder.

    context_length: tokens of prompt and output together, if not what the folder's config says. /v1/models may show it.
    apis: what it will answer.
    """

    name: str
    path: Path
    context_length: int | None = None
    apis: tuple[Api, ...] = TEXT


async def expect(runtime: DistributedRuntime, model: Expected) -> None:
    """Have every frontend on these planes know `model` for as long as this process lives.

    Raises a UserError when the runtime cannot use the model's folder.
    """
    from dynamo.llm import ModelInput, ModelRuntimeConfig, RouterConfig, RouterMode, WorkerType, register_model

    config = ModelRuntimeConfig()
    if model.context_length is not None:
        config.context_length = model.context_length
    try:
        await register_model(
            ModelInput.Text,  # so that the frontend makes no second tokenizer of it
            model_type(model.apis),
            runtime.endpoint(ENDPOINT),
            str(model.path),
            model.name,
            router_config=RouterConfig(RouterMode.RoundRobin),  # mode kv takes no such input; the workers' namespace has its own
            runtime_config=config,
            worker_type=WorkerType.Aggregated,
            self_host_metadata=False,
        )
    except Exception as e:
        raise UserError(
            f"the expected model cannot be registered from {model.path}: {e}",
            where="--expect-path",
            expected="a folder with config.json and tokenizer.json",
        ) from e


async def until_known(host: str, port: int, model: Expected) -> None:
    """Return when the frontend that listens at `host` and `port` knows such a model: tens of milliseconds after it began to listen."""
    path = next(path for api in reversed(model.apis) if (path := APIS[api].path))
    while not await _knows(host, port, path):
        await asyncio.sleep(POLL_S)


async def _knows(host: str, port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(_PROBE.format(path).encode())
            status = await reader.readline()
        finally:
            writer.close()
    except OSError:
        return False
    return status.startswith(b"HTTP/1.1 ") and status.split()[1] != b"404"
