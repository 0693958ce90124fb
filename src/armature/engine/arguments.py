"""A worker's native SGLang flags: read by SGLang's own parser, with the defaults that Armature needs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from armature import env
from armature.errors import UserError, nearest
from armature.packages import DEFAULT_TRANSFER

if TYPE_CHECKING:
    from sglang.srt.server_args import ServerArgs

# Chunks are deltas: cumulative lists would cost O(n^2) over a stream, and SGLang hands out the same list each time.
ALWAYS: Mapping[str, Any] = {"incremental_streaming_output": True}

# What runs without a GPU. float32, because most CPUs have no fast path for half precision; asleep while there is nothing
# to do, because a laptop's core is not the scheduler's alone.
ON_CPU: Mapping[str, Any] = {
    "attention_backend": "torch_native",
    "sampling_backend": "pytorch",
    "dtype": "float32",
    "mem_fraction_static": 0.5,
    "sleep_on_idle": True,
}


# How the KV cache gets from prefill to decode.
_HANDOFF: Mapping[str, Any] = {"disaggregation_transfer_backend": DEFAULT_TRANSFER["cuda"]}
_HANDOFF_ON_CPU: Mapping[str, Any] = {"disaggregation_transfer_backend": DEFAULT_TRANSFER["cpu"]}


def wants_cpu(words: Sequence[str]) -> bool:
    """Whether the flags or the environment ask for the CPU."""
    return value_of("--device", words) == "cpu" or os.environ.get(env.SGLANG_CPU) == "1"


def parse(words: Sequence[str], **given: Any) -> ServerArgs:
    """Read native flags. `given` are fields that the worker's own options decide, such as model_path.

    Activates the CPU stand-ins first when the flags ask for the CPU. Raises UserError for flags that the installed
    SGLang does not have or whose values it refuses.
    """
    cpu = wants_cpu(words)
    if cpu:
        if "--enable-torch-compile" in words:
            os.environ.setdefault(env.TORCH_COMPILE_DISABLE, "0")
        from armature.engine.cpu import activate

        activate()
    from sglang.srt.server_args import ServerArgs

    parser = _Parser(prog="SGLang", allow_abbrev=False)
    ServerArgs.add_cli_args(parser)
    for action in parser._actions:
        action.required = False  # model_path comes from the worker's own options
    defaults = {**ALWAYS, **(ON_CPU if cpu else {})}
    if mode := given.get("disaggregation_mode"):
        defaults |= _HANDOFF_ON_CPU if cpu else _HANDOFF
        if cpu and mode == "decode":
            defaults |= {"disaggregation_decode_retraction_backup": "none"}  # the others copy from a GPU
    parser.set_defaults(**defaults)
    namespace, unknown = parser.parse_known_args(list(words))
    if unknown:
        raise _unknown(unknown[0], parser)
    if cpu:
        namespace.device = "cpu"
        if namespace.enable_dp_attention:
            namespace.sleep_on_idle = False  # the ranks compute in step: one that sleeps holds up the others
    for name, value in given.items():
        flag = "--" + name.replace("_", "-")
        if any(w == flag or w.startswith(flag + "=") for w in words):
            raise UserError(f"the worker sets {flag} from its own options and role", where="the worker's command line", fix="remove it")
        setattr(namespace, name, value)
    for name in ("_radix_eviction_policy_explicitly_set", "_swa_full_tokens_ratio_explicitly_set"):
        flag = "--" + name.removeprefix("_").removesuffix("_explicitly_set").replace("_", "-")
        setattr(namespace, name, any(w == flag or w.startswith(flag + "=") for w in words))
    try:
        return ServerArgs.from_cli_args(namespace)
    except (ValueError, AssertionError) as e:
        raise UserError(f"SGLang rejects these flags: {e}", where="the worker's command line") from None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"native flags: {message}", where="the worker's command line", fix="`armature flags` lists them")


def _unknown(word: str, parser: argparse.ArgumentParser) -> UserError:
    flag = word.split("=")[0]
    guess = nearest(flag, parser._option_string_actions)
    return UserError(
        f"neither the worker nor SGLang has a flag {flag}",
        where="the worker's command line",
        fix=f"did you mean {guess}?" if guess else "`armature flags` lists SGLang's",
    )


def value_of(flag: str, words: Sequence[str]) -> str | None:
    """What `words` say after `flag`; None when they do not have it."""
    for i, word in enumerate(words):
        if word == flag and i + 1 < len(words):
            return words[i + 1]
        if word.startswith(flag + "="):
            return word.partition("=")[2]
    return None
