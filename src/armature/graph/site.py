"""The site of a plan on this machine: interpreter, directories, ports."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

from armature import env
from armature.graph import programs
from armature.graph.place import Site
from armature.graph.ports import HostPorts


def this_machine(name: str, gpus: int) -> Site:
    """Where a run called `name` takes place. Nothing is created: a dry run leaves no trace."""
    run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return Site(
        run_dir=env.runs_dir() / name / run_id,
        cache_dir=env.cache_dir(),
        tmp_dir=Path(tempfile.gettempdir()) / f"armature-{run_id}",
        ports=HostPorts(),
        python=(sys.executable, "-P"),  # -P: a random.py in the user's folder must not be imported
        env=_import_path(),
        gpus=gpus,
        visible=env.visible_gpus(),
        program=programs.find,
    )


def _import_path() -> dict[str, str]:
    """PYTHONPATH as this process has it: under Bazel it holds everything that was built, and a node must see the same."""
    folders = os.environ.get("PYTHONPATH")
    if not folders:
        return {}
    return {"PYTHONPATH": os.pathsep.join(str(Path(f).absolute()) for f in folders.split(os.pathsep) if f)}
