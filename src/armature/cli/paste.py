"""A plan's nodes as text for a POSIX shell: the environment that all of them share, once, and a line for each node."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from armature.env import PYTHONPATH
from armature.graph.plan import PlannedNode

ROOT = "root"  # the shell variable that holds the folder below which most of an import path lies
_PLAIN = re.compile(r"[\w@%+=:,./-]*", re.ASCII)  # means itself between double quotes


def shared_env(nodes: Sequence[PlannedNode]) -> dict[str, str]:
    """What every node has in its environment, with the same value: exported, it changes no node's environment."""
    first = nodes[0].env if nodes else {}
    return {name: value for name, value in first.items() if all(node.env.get(name) == value for node in nodes)}


def exports(env: Mapping[str, str]) -> list[str]:
    """Lines that set `env` in a shell."""
    lines: list[str] = []
    for name, value in sorted(env.items()):
        lines += _import_path(value) if name == PYTHONPATH else [f"export {name}={shlex.quote(value)}"]
    return lines


def command(node: PlannedNode, exported: Mapping[str, str]) -> str:
    """The line that starts `node` in a shell that has `exported`."""
    own = [f"{name}={shlex.quote(value)}" for name, value in sorted(node.env.items()) if exported.get(name) != value]
    return " ".join([*(["env", *own] if own else []), shlex.join(node.argv)])


def _import_path(value: str) -> list[str]:
    """An import path as lines of a shell. Under Bazel it names each distribution below one long folder, which stands in a variable."""
    folders = value.split(os.pathsep)
    plain = f"export {PYTHONPATH}={shlex.quote(value)}"
    root = max(_parents(folders), key=lambda parent: _saved(parent, folders), default="")
    if not _PLAIN.fullmatch(value) or _saved(root, folders) <= 0:
        return [plain]
    short = os.pathsep.join(f"${ROOT}{f[len(root) :]}" if _below(f, root) else f for f in folders)
    return [f"{ROOT}={root}", f'export {PYTHONPATH}="{short}"']


def _parents(folders: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(str(parent) for f in folders for parent in (PurePosixPath(f), *PurePosixPath(f).parents)))


def _below(folder: str, root: str) -> bool:
    return folder == root or folder.startswith(f"{root}/")


def _saved(root: str, folders: Sequence[str]) -> int:
    """How many characters shorter an import path becomes when `root` stands in a variable."""
    return (len(root) - len(f"${ROOT}")) * sum(_below(f, root) for f in folders) - len(f'{ROOT}={root}\n""')
