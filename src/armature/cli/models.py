"""`armature models make | fetch`: put a model's files in place. Plans run these as tasks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from armature.cli.options import Parser
from armature.errors import UserError


def main(argv: list[str]) -> int:
    parser = Parser(prog="armature models", description="Put a model's files in place.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="make | fetch")
    make = commands.add_parser("make", help="build a model from its dimensions")
    make.add_argument("--spec", required=True, help="the dimensions, as JSON (see docs/reference/config.md, model.shape)")
    make.add_argument("--out", required=True, type=Path, help="the folder to make")
    fetch = commands.add_parser("fetch", help="download a model from Hugging Face")
    fetch.add_argument("--repo", required=True, help="such as Qwen/Qwen3-0.6B")
    fetch.add_argument("--revision", default="main")
    fetch.add_argument("--out", required=True, type=Path, help="the folder to fill")
    options = parser.parse_args(argv)
    if options.command == "make":
        return _make(options.spec, options.out)
    from armature.models.fetch import fetch as fetch_model

    fetch_model(options.repo, options.revision, options.out)
    return 0


def _make(text: str, out: Path) -> int:
    try:
        spec = json.loads(text)
    except json.JSONDecodeError as e:
        raise UserError(f"--spec is not JSON: {e}", expected='{"family": "qwen3", ...}') from None
    from armature.models.make import make

    make(spec, out, say=partial(print, flush=True))
    return 0
