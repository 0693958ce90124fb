"""A bench for each test, and nothing of it left afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from launch_bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    # Not pytest's tmp_path: it is too long for a socket.
    root = Path(tempfile.mkdtemp(prefix="arm-", dir="/tmp"))
    made = Bench(root)
    yield made
    for launcher in made.launchers:
        if launcher.poll() is None:
            launcher.kill()
        launcher.communicate()
    for pid in made.alive():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(root)
