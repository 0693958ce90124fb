"""SGLang's own Prometheus series: where its processes leave them, and how they are gathered.

SGLang counts in several processes, each of which keeps its series in files of the folder that PROMETHEUS_MULTIPROC_DIR
names. prometheus_client reads that name once, when it is imported; so it is set before SGLang is. Every launch has a
folder of its own: the files of an earlier one would be counted as if its processes were still there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from armature import env

if TYPE_CHECKING:
    from prometheus_client import Metric

FLAG = "--enable-metrics"


def fresh_folder() -> Path:
    """Make a folder that only this user may read, and name it to this process and to those that it starts.

    It lies in TMPDIR, which a launcher removes with the node: that is for a process that is killed. Others call `remove`.
    """
    folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
    os.environ[env.PROMETHEUS_DIR] = str(folder)
    return folder


def gather(folder: Path) -> Iterable[Metric]:
    """The series of all processes that keep theirs in `folder`, as they are now."""
    from prometheus_client.multiprocess import MultiProcessCollector

    collected: Iterable[Metric] = MultiProcessCollector(None, path=str(folder)).collect()  # type: ignore[no-untyped-call]
    return collected


def remove(folder: Path) -> None:
    """Remove the folder and what is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if os.environ.get(env.PROMETHEUS_DIR) == str(folder):
        del os.environ[env.PROMETHEUS_DIR]
