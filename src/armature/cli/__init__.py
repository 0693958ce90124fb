"""The command line. Each subcommand is a module with `main(argv) -> exit code`, imported only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from armature import __version__
from armature.errors import UserError, nearest
from armature.output import discard

COMMANDS = {
    "up": "serve: compose, plan, start, wait until routable, print the URL",
    "plan": "print the plan and start nothing (the same as `up --dry-run`)",
    "bench": "measure every combination of values: a sweep",
    "watch": "follow a run live: its nodes, and the load on it",
    "compare": "runs side by side: differences, their confidence, what was set differently",
    "report": "runs as one HTML page",
    "summarize": "from a load generator's files to a run's summary",
    "flags": "list the native SGLang flags that engine.args accepts",
    "models": "make or fetch a model's files",
    "pairs": "let one token go through every pair of prefill and decode workers (plans start it)",
    "worker": "run one worker (plans start these)",
    "frontend": "run the HTTP frontend (plans start it)",
    "profile": "look at nodes in detail while load runs (plans start it)",
    "sample": "write down nodes' figures while load runs (plans start it)",
    "observe": "write what Prometheus reads: targets and alerts (plans run it)",
    "kv-bridge": "publish durable KV events to the router (plans start it)",
}

BENCH_PACKAGES = ("jinja2", "plotly", "pyarrow", "scipy")  # the extra `bench`


def usage() -> str:
    """The text of `armature --help`."""
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            f"armature {__version__}: SGLang serving on the NVIDIA Dynamo runtime",
            "",
            "usage: armature COMMAND ...",
            "",
            *rows,
            "",
            "`armature COMMAND --help` says more.   Example: armature up agg +model=tiny-qwen3",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; errors meant for the user end with their text and exit code, and no traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(__version__)
        return 0
    try:
        return _run(words)
    except UserError as e:
        print(f"armature: {e.render()}", file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`armature plan | head`): say nothing more, also not at exit.
        discard(sys.stdout)
        return 141


def _run(words: list[str]) -> int:
    command, *rest = words
    if command not in COMMANDS:
        guess = nearest(command, COMMANDS)
        raise UserError(
            f"there is no command {command!r}",
            expected=", ".join(COMMANDS),
            fix=f"did you mean `armature {guess}`?" if guess else None,
        )
    module = importlib.import_module(f"armature.cli.{command.replace('-', '_')}")
    try:
        code: int = module.main(rest)
    except ModuleNotFoundError as e:
        if e.name not in BENCH_PACKAGES:
            raise
        raise UserError(f"armature {command} needs {e.name}, which is not installed", fix="pip install 'armature[bench]'") from None
    return code
