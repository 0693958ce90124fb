"""The pinned SGLang's own flags: generated data, so that a misspelt one is refused before anything starts.

data/sglang_flags.json is written by tools/gen_sglang_flags.py from the installed version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from armature.errors import UserError, did_you_mean, nearest

if TYPE_CHECKING:
    from armature.config.engine_section import EngineArg

# Flags that Armature sets itself, and what to do instead.
_PLANNED = "remove it; the plan assigns this value"
OWNED = {
    "model_path": "use model.path",
    "model": "use model.path",
    "served_model_name": "use model.name",
    "context_length": "use model.context_length",
    "load_format": "use model.weights",
    "tool_call_parser": "use model.tool_call_parser",
    "reasoning_parser": "use model.reasoning_parser",
    "host": "use frontend.host",
    "port": "use frontend.port",
    "nccl_port": _PLANNED,
    "dist_init_addr": _PLANNED,
    "kv_events_config": "use topology.router.mode=kv, which turns KV events on",
    "disaggregation_mode": "use topology.roles.<group>.role",
    "disaggregation_bootstrap_port": _PLANNED,
    "incremental_streaming_output": "remove it; workers always send deltas",
}


@dataclass(frozen=True)
class Flag:
    """One native flag.

    name: snake_case. type: int | float | str | bool | json. kind: value | switch (no value; true when given) | list |
    toggle (--x or --no-x). choices: the values allowed, if limited.
    """

    name: str
    flag: str
    type: str
    kind: str
    choices: tuple[Any, ...] | None
    help: str


@cache
def table() -> tuple[str, Mapping[str, Flag]]:
    """The pinned version, and its flags by name."""
    data = json.loads(resources.files("armature.config").joinpath("data/sglang_flags.json").read_text())
    flags = {}
    for f in data["flags"]:
        choices = tuple(f["choices"]) if f.get("choices") else None
        flags[f["name"]] = Flag(f["name"], f["flag"], f["type"], f["kind"], choices, f.get("help") or "")
    return data["sglang"], flags


def check_engine_args(args: Mapping[str, EngineArg], source: Callable[[str], str | None]) -> list[UserError]:
    """What is wrong with flags: unknown ones, those that another field sets, and values of the wrong type.

    source: who set a flag, for the message.
    """
    return [error for name, value in args.items() if (error := _problem(name, value, source(name)))]


def _problem(name: str, value: EngineArg, where: str | None) -> UserError | None:
    version, flags = table()
    if name in OWNED:
        return UserError(f"engine.args.{name}: Armature sets this flag itself", where=where, fix=OWNED[name])
    if name not in flags:
        guess = nearest(name.replace("-", "_"), flags)
        return UserError(
            f"engine.args.{name}: SGLang {version} has no such flag",
            where=where,
            fix=did_you_mean(guess and f"engine.args.{guess}", "`armature flags` lists all flags"),
        )
    expected = _mismatch(flags[name], value)
    return UserError(f"engine.args.{name}: got {value!r}", where=where, expected=expected) if expected else None


def to_argv(args: Mapping[str, EngineArg]) -> list[str]:
    """Checked flags as words of a command line, sorted by name; a switch that is off leaves no word."""
    _, flags = table()
    words: list[str] = []
    for name in sorted(args):
        flag, value = flags[name], args[name]
        if flag.kind == "switch":
            words += [flag.flag] if value else []
        elif flag.kind == "toggle":
            words += [flag.flag if value else flag.flag.replace("--", "--no-", 1)]
        elif flag.kind == "list":
            words += [flag.flag, *(str(v) for v in (value if isinstance(value, list) else [value]))]
        else:
            words += [flag.flag, _text(value)]
    return words


def _text(value: EngineArg) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else str(value)


_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}


def _mismatch(flag: Flag, value: EngineArg) -> str | None:
    """What was expected, when `value` is not it."""
    if flag.kind in ("switch", "toggle"):
        return None if isinstance(value, bool) else "true or false"
    if flag.choices and flag.kind == "value" and value not in flag.choices:
        guess = nearest(str(value), [str(c) for c in flag.choices])
        return f"one of {', '.join(map(str, flag.choices))}" + (f" (did you mean {guess}?)" if guess else "")
    wanted = _PYTHON_TYPES.get(flag.type)
    for one in value if flag.kind == "list" and isinstance(value, list) else [value]:
        if wanted and (not isinstance(one, wanted) or (isinstance(one, bool) and bool not in wanted)):
            return {"int": "a whole number", "float": "a number", "bool": "true or false"}[flag.type]
    return None
