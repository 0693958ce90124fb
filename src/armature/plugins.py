"""Kinds of things that are added by adding a file: roles, profiles, launchers. Also from a folder of the user's.

A kind is a package whose modules each hold one constant, the fact that describes the thing. `ARMATURE_PLUGINS=~/mine` makes
`~/mine/roles/NAME.py` a module of `armature.roles`, and `~/mine/worker/roles/NAME.py` one of `armature.worker.roles`. A module of
the package goes before one of the same name. Standard library only: shells import it while somebody types.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar, cast

from armature import env
from armature.errors import UserError, did_you_mean, nearest


class Named(Protocol):
    """Something that users name, with one line about it for help and documentation."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...


T = TypeVar("T", bound=Named)


def extended(path: Iterable[str], package: str) -> list[str]:
    """The `__path__` of a package, and the user's folders for it."""
    own = package.partition(".")[2].replace(".", "/")
    return [*path, *(str(folder / own) for folder in env.plugin_folders() if (folder / own).is_dir())]


class Kinds(Generic[T]):
    """The modules of a package, by name: each has a constant `constant` of the module's name. A module is imported when it is asked for."""

    def __init__(self, package: str, path: list[str], word: str, constant: str, besides: tuple[str, ...] = ()) -> None:
        """word: what errors call one of them. besides: modules of the package that are none."""
        self._package, self._word, self._constant = package, word, constant
        self._names = tuple(sorted(m.name for m in pkgutil.iter_modules(path) if m.name not in besides))

    def names(self) -> tuple[str, ...]:
        """All of them, in alphabetical order."""
        return self._names

    def get(self, name: str) -> T:
        """The one called `name`. Raises a UserError with the nearest name."""
        if name not in self._names:
            guess = nearest(name, self._names)
            fix = did_you_mean(repr(guess) if guess else None)
            raise UserError(f"{self._word} {name!r} does not exist", expected=" | ".join(self._names), fix=fix)
        return cast("T", getattr(importlib.import_module(f"{self._package}.{name}"), self._constant))

    def every(self) -> tuple[T, ...]:
        """All of them, in alphabetical order of their names."""
        return tuple(map(self.get, self._names))
