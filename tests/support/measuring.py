"""`armature` as a user of these tests runs it, and a load that is over soon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.scripted_server import ScriptedServer, scripted_server
from support.serving import environment

# A machine shared with other tests stalls: what the tests look at is not how fast the client is.
LENIENT = ("load.limits.lag_p99_ms=60000", "load.limits.cpu=100")
SMALL = ("load=closed", "load.count=40", "load.warmup.count=4", *LENIENT)


@dataclass(frozen=True)
class Place:
    """Where runs and models of these tests lie."""

    root: Path
    cache: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`armature WORDS`, which goes on."""
        return subprocess.Popen(
            [sys.executable, "-m", "armature", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(self.root, self.cache),
            start_new_session=True,
            cwd=self.root,
        )

    def run(self, words: Sequence[str], timeout_s: float = 300) -> tuple[int, str]:
        """`armature WORDS` to its end: exit code and output."""
        process = self.start(*words)
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.terminate()
            output, _ = process.communicate()
            raise AssertionError(f"it did not end:\n{output}") from None
        return process.returncode, output


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> Place:
    return Place(tmp_path, cache)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server
