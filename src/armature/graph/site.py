"""The site of a plan on this machine: interpreter, directories, ports."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from armature import env
from armature.graph import programs
from armature.graph.hosts import Host
from armature.graph.place import Site
from armature.graph.ports import HostPorts
from armature.naming import component


def this_machine(name: str, gpus: int, cores: int | None = None, runs: Path | None = None) -> Site:
    """Where a run called `name` takes place. runs: the folder of runs; None: the default. Nothing is created: a dry run leaves no trace."""
    run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return Site(
        run_dir=(runs or env.runs_dir()) / component(name) / run_id,
        cache_dir=env.cache_dir(),
        tmp_dir=Path(tempfile.gettempdir()) / f"armature-{run_id}",
        hosts=(Host(HostPorts(), gpus=gpus, cores=cores, visible=env.visible_gpus()),),
        python=(sys.executable, "-P"),  # -P: a random.py in the user's folder must not be imported
        env=_import_path(),
        program=programs.find,
    )


def _import_path() -> dict[str, str]:
    """PYTHONPATH of every node: what this process finds must be found there, too. Under Bazel that is everything that was built."""
    folders = os.environ.get(env.PYTHONPATH)
    if not folders:
        return {}
    return {env.PYTHONPATH: os.pathsep.join(without_repeats([str(Path(f).absolute()) for f in folders.split(os.pathsep) if f]))}


def without_repeats(folders: Sequence[str]) -> list[str]:
    """An import path without the folders of distributions that one of its folders holds all together, in the same versions.

    Bazel gives each distribution a folder, and names them all beside the one that an engine imports from: 6 KB for every process.
    """
    names = {folder: _names(folder) for folder in folders}
    largest = max(folders, key=lambda folder: len(names[folder]))
    return [f for f in folders if f == largest or not (_has_distributions(names[f]) and names[f] <= names[largest])]


def _has_distributions(names: frozenset[str]) -> bool:
    return any(name.endswith(".dist-info") for name in names)  # NAME-VERSION.dist-info


def _names(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:  # not there, or an archive
        return frozenset()
