"""Writes src/armature/config/data/sglang_flags.json: the native flags of the installed SGLang, so that a misspelt one
is refused before anything starts, on a machine where no engine is installed.

`python tools/gen_sglang_flags.py` rewrites it; `--check` fails with a diff when it is stale.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).absolute().parents[1] / "src" / "armature" / "config" / "data" / "sglang_flags.json"


def render() -> str:
    """The file's text, from the installed SGLang's own parser."""
    from armature.engine.cpu import activate

    activate()
    import sglang
    from sglang.srt.server_args import ServerArgs

    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    known = set(ServerArgs.__annotations__) | set(getattr(ServerArgs, "__struct_fields__", ()))
    flags = [describe(action) for action in parser._actions if action.dest in known]
    data = {"sglang": sglang.__version__, "flags": sorted(flags, key=lambda f: f["name"])}
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def describe(action: argparse.Action) -> dict[str, Any]:
    """One flag. kind: switch (no value), toggle (--x or --no-x), list (one or more values) or value."""
    long = next((o for o in action.option_strings if o.startswith("--")), action.option_strings[0])
    flag: dict[str, Any] = {
        "name": action.dest,
        "flag": long,
        "aliases": [o for o in action.option_strings if o != long],
        "type": _type(action),
        "kind": _kind(action),
        "default": action.default if _is_json(action.default) else str(action.default),
        "help": " ".join((action.help or "").replace("%%", "%").split())[:200],
    }
    if action.choices is not None:
        flag["choices"] = sorted((c for c in action.choices if _is_json(c)), key=str)  # some are sets: any order
    return flag


def _kind(action: argparse.Action) -> str:
    if isinstance(action, argparse.BooleanOptionalAction):
        return "toggle"
    if action.nargs == 0:
        return "switch"
    return "list" if action.nargs in ("+", "*") else "value"


def _type(action: argparse.Action) -> str:
    if isinstance(action, argparse.BooleanOptionalAction) or action.nargs == 0:
        return "bool"
    name = getattr(action.type, "__name__", "str")
    return {"loads": "json", "json_list_type": "json", "human_readable_int": "int"}.get(name, name if name in ("int", "float") else "str")


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str | list | dict)


def main() -> int:
    want = render()
    if "--check" not in sys.argv:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(want)
        return 0
    have = FILE.read_text() if FILE.exists() else ""
    sys.stdout.writelines(difflib.unified_diff(have.splitlines(True), want.splitlines(True), FILE.name, "installed"))
    if have != want:
        print("out of date: run python tools/gen_sglang_flags.py")
    return int(have != want)


if __name__ == "__main__":
    sys.exit(main())
