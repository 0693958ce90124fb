"""The answer to a shell whose user has pressed TAB, in argcomplete's way: the parsers of commands, and completers of their words."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import argcomplete

from armature.cli import candidates
from armature.cli.candidates import flag_values
from armature.cli.options import Parser
from armature.config.flags import table

Completer = Callable[..., Mapping[str, str] | Sequence[str]]


def answer(commands: Mapping[str, str]) -> None:
    """Write what the word at the cursor could become, and exit. commands: name -> what it does."""
    asked = set(os.environ.get("COMP_LINE", "").split()) & set(commands)
    argcomplete.autocomplete(parser(commands, asked), always_complete_options=False)


def parser(commands: Mapping[str, str], asked: set[str]) -> Parser:
    """The parser of the whole program. asked: the commands whose own words matter; only their modules are imported."""
    top = Parser(prog="armature")
    known: Any = top.add_subparsers()
    for name, text in commands.items():
        known.add_parser(name, help=text)
        if name in asked:
            module = importlib.import_module(f"armature.cli.{name.replace('-', '_')}")
            known.choices[name] = _completed(name, module.parser())
    return top


def _completed(command: str, p: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """`p`, whose words have completers."""
    if command == "worker":
        _add_native_flags(p)
    for action in p._actions:
        if completer := _COMPLETERS.get((command, action.dest)):
            action.completer = completer  # type: ignore[attr-defined]
    return p


def _add_native_flags(p: argparse.ArgumentParser) -> None:
    """SGLang's flags, which a worker takes beside its own."""
    for flag in table()[1].values():
        if flag.flag not in p._option_string_actions:
            takes: dict[str, Any] = {"action": "store_true"} if flag.kind == "switch" else {"choices": flag_values(flag) or None}
            p.add_argument(flag.flag, help=flag.help.replace("%", "%%"), **takes)


def _override(several: bool, prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Mapping[str, str]:
    return candidates.override(prefix, getattr(parsed_args, "words", None) or (), several)


def _texts(of: Callable[[str], Mapping[str, str]], prefix: str, **_: Any) -> Mapping[str, str]:
    return of(prefix)


def _runs(prefix: str, **_: Any) -> Sequence[str]:
    """Runs by name, and folders."""
    return [*candidates.runs(prefix), *argcomplete.completers.DirectoriesCompleter()(prefix)]


_COMPLETERS: Mapping[tuple[str, str], Completer] = {
    ("up", "words"): partial(_override, False),
    ("plan", "words"): partial(_override, False),
    ("bench", "words"): partial(_override, True),
    ("flags", "word"): partial(_texts, candidates.flags),
    ("worker", "role"): partial(_texts, candidates.roles),
    **{(command, "runs"): _runs for command in ("compare", "report")},
    **{(command, "run"): _runs for command in ("watch", "summarize", "control")},
}
