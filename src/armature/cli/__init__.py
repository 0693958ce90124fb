"""The command line. Each subcommand is a module with `main(argv) -> exit code`, imported only when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from armature import __version__, env, output
from armature.errors import UserError, did_you_mean, nearest, one_line

COMMANDS = {
    "up": "serve: compose, plan, start, wait until routable, print the URL",
    "plan": "print the plan and start nothing (the same as `up --dry-run`)",
    "bench": "measure every combination of values: a sweep",
    "watch": "follow a run: its nodes, and the load on it",
    "compare": "compare runs: differences, confidence intervals, different settings",
    "report": "write an HTML page about runs",
    "summarize": "summarize a run from the load generator's files",
    "control": "send a command to a worker: load, profile/start, profile/stop, kv/check",
    "flags": "list the native SGLang flags that engine.args accepts",
    "completion": "print the completion script of bash, zsh or fish",
    "models": "make or fetch a model's files",
    "pairs": "send one token through every pair of prefill and decode workers (plans start it)",
    "worker": "run one worker (plans start these)",
    "frontend": "run the HTTP frontend (plans start it)",
    "profile": "profile nodes while load runs (plans start it)",
    "sample": "record nodes' metrics while load runs (plans start it)",
    "observe": "write the Prometheus configuration: targets and alerts (plans start it)",
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
            "Details: `armature COMMAND --help`.   Example: armature up agg +model=tiny-qwen3",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; errors meant for the user end with their text and exit code, and no traceback."""
    if env.COMPLETING in os.environ:
        from armature.cli.completing import answer

        answer(COMMANDS)
    output.prepare()
    return output.finish(_guarded(list(sys.argv[1:] if argv is None else argv)))


def _guarded(words: list[str]) -> int:
    """The exit code, whatever happens: 2 for what the user can mend, 1 for what the system refused, 130 for Ctrl-C."""
    try:
        return _run(words)
    except UserError as e:
        for each in e.each:
            output.complain(each.render())
        return e.exit_code
    except SystemExit as e:  # argparse has printed its help
        return e.code if isinstance(e.code, int) else int(e.code is not None)
    except KeyboardInterrupt:
        return 130
    except OSError as e:
        return _refused(e)


def _refused(error: OSError) -> int:
    """What the system refused, as one line; the exit code."""
    if output.lost():
        return 0  # `finish` says what became of the output, and gives the code
    try:
        env.caller_dir()
    except UserError as gone:  # some library asked for it before we did
        output.complain(gone.render())
        return gone.exit_code
    if os.environ.get(env.LOG_LEVEL) == "debug":
        traceback.print_exc()
    output.complain(one_line(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")))
    return 1


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(__version__)
        return 0
    for word in words:
        if not _is_utf8(word):
            raise UserError(f"{word!r} is not UTF-8", fix="use UTF-8 names and values; for a file with another name, link to it")
    command, *rest = words
    if command not in COMMANDS:
        guess = nearest(command, COMMANDS)
        raise UserError(
            f"there is no command {command!r}",
            expected=", ".join(COMMANDS),
            fix=did_you_mean(guess and f"`armature {guess}`"),
        )
    module = importlib.import_module(f"armature.cli.{command.replace('-', '_')}")
    try:
        code: int = module.main(rest)
    except ModuleNotFoundError as e:
        if e.name not in BENCH_PACKAGES:
            raise
        raise UserError(f"armature {command} needs {e.name}, which is not installed", fix="pip install 'armature[bench]'") from None
    return code


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # bytes that are none stand in it as lone surrogates
        return False
    return True
