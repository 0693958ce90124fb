"""Telling the frontend of a model: what it is called, what it takes, and what its worker can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armature.errors import UserError, nearest
from armature.roles.apis import APIS, TEXT, Api

if TYPE_CHECKING:
    from dynamo.runtime import Endpoint


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a worker says of its model when it registers.

    name: what clients ask for. path: the folder with the tokenizer and the chat template.
    apis: what it answers (`roles.apis`), all with the same input. worker: what the runtime calls such a worker. needs: such workers
    without which the model cannot be served.
    context_length: tokens of prompt and output together. block_size: tokens per KV block; total_kv_blocks: how many.
    max_running_requests, max_prefill_tokens: what the engine's scheduler takes at once.
    dp_size: data-parallel ranks behind this one endpoint.
    kv_events: whether it publishes what its prefix cache stores and removes.
    bootstrap: host and port at which a prefill worker's KV cache is fetched.
    tool_call_parser, reasoning_parser: the frontend's parsers for the model's output; see `check_parsers`.
    """

    name: str
    path: Path
    apis: tuple[Api, ...] = TEXT
    worker: str = "aggregated"
    needs: tuple[str, ...] = ()
    context_length: int | None = None
    block_size: int | None = None
    total_kv_blocks: int | None = None
    max_running_requests: int | None = None
    max_prefill_tokens: int | None = None
    dp_size: int = 1
    kv_events: bool = False
    bootstrap: tuple[str, int] | None = None
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None


def check_parsers(tool_call_parser: str | None, reasoning_parser: str | None) -> None:
    """Raise a UserError for a parser that the frontend does not have, with the nearest name."""
    from dynamo import _core

    for option, name, valid in (
        ("--tool-call-parser", tool_call_parser, _core.get_tool_parser_names()),
        ("--reasoning-parser", reasoning_parser, _core.get_reasoning_parser_names()),
    ):
        if name is not None and name not in valid:
            guess = nearest(name, valid)
            raise UserError(
                f"the frontend has no parser {name!r}",
                where=option,
                expected=" | ".join(sorted(valid)),
                fix=f"did you mean {guess!r}?" if guess else None,
            )


async def register_model(endpoint: Endpoint, card: ModelCard) -> None:
    """Make `card` known: from now on frontends route requests for it to `endpoint`'s worker. It must be served already."""
    from dynamo.llm import ModelInput, WorkerType
    from dynamo.llm import register_model as register

    await register(
        ModelInput.Tokens if APIS[card.apis[0]].input == "tokens" else ModelInput.Text,
        model_type(card.apis),
        endpoint,
        str(card.path),
        card.name,
        kv_cache_block_size=card.block_size,
        runtime_config=_runtime_config(card),
        worker_type=getattr(WorkerType, card.worker.capitalize()),
        needs=[[getattr(WorkerType, role.capitalize()) for role in card.needs]] if card.needs else [],
    )


async def unregister_model(endpoint: Endpoint) -> None:
    """Take the model back: frontends stop sending new requests. Raises what the runtime raises when it is not known."""
    from dynamo.llm import unregister_model as unregister

    await unregister(endpoint)


def model_type(apis: Sequence[Api]) -> Any:
    """The runtime's value for these routes together."""
    from dynamo.llm import ModelType

    first, *rest = (getattr(ModelType, APIS[api].runtime) for api in apis)
    for other in rest:
        first = first | other
    return first


def _runtime_config(card: ModelCard) -> Any:
    from dynamo.llm import ModelRuntimeConfig

    config = ModelRuntimeConfig()
    known = {
        "context_length": card.context_length,
        "total_kv_blocks": card.total_kv_blocks,
        "max_num_seqs": card.max_running_requests,
        "max_num_batched_tokens": card.max_prefill_tokens,
    }
    for name, value in known.items():
        if value is not None:  # the runtime takes no None here, although its own are
            setattr(config, name, value)
    config.data_parallel_size = card.dp_size
    config.enable_local_indexer = card.kv_events
    config.kv_event_publishing_enabled = card.kv_events
    if card.bootstrap is not None:
        config.set_disaggregated_endpoint(*card.bootstrap)
    config.tool_call_parser = card.tool_call_parser
    config.reasoning_parser = card.reasoning_parser
    return config
