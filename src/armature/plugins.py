"""Roles from outside: a folder of the user's with the same layout as this package.

`ARMATURE_PLUGINS=~/mine` makes `~/mine/roles/NAME.py` a module of `armature.roles`, and `~/mine/worker/roles/NAME.py` one of
`armature.worker.roles`. A module of the package goes before one of the same name. Standard library only, as `armature.roles` is.
"""

from __future__ import annotations

from collections.abc import Iterable

from armature import env


def extended(path: Iterable[str], package: str) -> list[str]:
    """The `__path__` of a package, and the user's folders for it."""
    own = package.partition(".")[2].replace(".", "/")
    return [*path, *(str(folder / own) for folder in env.plugin_folders() if (folder / own).is_dir())]
