"""Option parsing shared by subcommands: no abbreviations, and errors that name the nearest option."""

from __future__ import annotations

import argparse
from typing import NoReturn

from armature.errors import UserError, nearest


class Parser(argparse.ArgumentParser):
    """argparse whose errors are ours."""

    def __init__(self, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**kwargs)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog}: {message}", fix=f"see `{self.prog} --help`")

    def refuse_options(self, words: list[str]) -> None:
        """Refuse words that look like options and are none of ours."""
        for word in words:
            if word.startswith("-"):
                name = word.split("=")[0]
                guess = nearest(name, self._option_string_actions)
                raise UserError(
                    f"{self.prog}: there is no option {name}",
                    fix=f"did you mean {guess}?" if guess else f"see `{self.prog} --help`",
                )
