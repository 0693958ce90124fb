"""What an interpreter finds: modules, without importing them, and native libraries.

Run by itself, in the interpreter and with the environment of the nodes that need them: it reads {"modules", "libraries"} as JSON from
standard input and writes {"modules": those that it does not find, "libraries": {name: why it cannot be loaded}}. Standard library only.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # this folder's http.py and others must hide nothing
    sys.path[:] = [folder for folder in sys.path if folder != __file__.rpartition("/")[0]]

import ctypes
import json
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec


def find(module: str) -> ModuleSpec | None:
    """Where `module` is, or None when it cannot be found.

    Nothing is imported, not even the parents of a dotted name, whose import may take seconds.
    """
    top, *parts = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    name = top
    for part in parts:
        if spec is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations or ()))
    return spec


def why_not_loaded(library: str) -> str | None:
    """Why a native library cannot be loaded; None when it can."""
    try:
        ctypes.CDLL(library)
    except OSError as e:
        return str(e)
    return None


def main() -> None:
    wanted = json.load(sys.stdin)
    libraries = {name: why for name in wanted["libraries"] if (why := why_not_loaded(name))}
    json.dump({"modules": [name for name in wanted["modules"] if find(name) is None], "libraries": libraries}, sys.stdout)


if __name__ == "__main__":
    main()
