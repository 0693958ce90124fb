"""Option parsing shared by subcommands: no abbreviations, and errors that name the nearest option."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn

from armature.errors import UserError, did_you_mean, nearest

_CHOICE = re.compile(r"(argument .+): invalid choice: '(.*)' \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """argparse whose errors are ours."""

    def __init__(self, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**kwargs)  # type: ignore[arg-type]

    def _print_message(self, message: str, file: Any = None) -> None:
        """As argparse does it, but output that cannot be written is an error."""
        (file or sys.stdout).write(message)

    def error(self, message: str) -> NoReturn:
        fix = f"see `{self.prog} --help`"
        if match := _CHOICE.fullmatch(message):
            argument, got, choices = match.groups()
            names = [name.strip("'") for name in choices.split(", ")]
            raise UserError(
                f"{self.prog}: {argument}: got {got!r}", expected=f"one of {', '.join(names)}", fix=did_you_mean(nearest(got, names), fix)
            )
        raise UserError(f"{self.prog}: {message}", fix=fix)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, but unknown options get the nearest name."""
        options, unknown = self.parse_known_args(args, namespace)
        self.refuse_options(unknown)
        if unknown:
            raise UserError(f"{self.prog}: unexpected words: {' '.join(unknown)}", fix=f"see `{self.prog} --help`")
        return options

    def refuse_options(self, words: list[str]) -> None:
        """Refuse words that look like options and are not."""
        for word in words:
            if word.startswith("-"):
                name = word.split("=")[0]
                guess = nearest(name, self._option_string_actions)
                raise UserError(f"{self.prog}: there is no option {name}", fix=did_you_mean(guess, f"see `{self.prog} --help`"))
