"""The load generator as users run it: Locust in a process of its own, and what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from armature import env

LOCUSTFILE = Path(__file__).absolute().parents[2] / "loadtests/locustfile.py"
# A machine shared with other tests stalls: what the tests look at is not how fast the client is.
LENIENT = ("--lag-limit-ms", "60000", "--cpu-limit", "100")


@dataclass(frozen=True)
class Load:
    """A finished run. output: all that it said."""

    code: int
    output: str
    folder: Path

    @property
    def requests(self) -> list[dict[str, Any]]:
        """All records, in the order in which they were sent."""
        lines = [line for file in sorted(self.folder.glob("requests.*.jsonl")) for line in file.read_text().splitlines()]
        return sorted((json.loads(line) for line in lines), key=lambda r: r["started"])

    @property
    def measured(self) -> list[dict[str, Any]]:
        return [r for r in self.requests if r["phase"] == "measure"]

    @property
    def clients(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted(self.folder.glob("client.*.json"))]

    @property
    def load(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "load.json").read_text()))


def command(url: str, words: Sequence[str]) -> list[str]:
    return [env.loadtests_python(), "-m", "locust", "-f", str(LOCUSTFILE), "-H", url, "--only-summary", *words]


def environ() -> dict[str, str]:
    """Locust's environment: the interpreter of these tests sees what they see, also under Bazel; another one has its own packages."""
    own = env.loadtests_python() == sys.executable
    return os.environ | ({"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)} if own else {})


def start(url: str, folder: Path, *words: str, headless: bool = True) -> subprocess.Popen[str]:
    """A run that goes on."""
    line = command(url, ["--record-dir", str(folder), *(["--headless"] if headless else []), *LENIENT, *words])
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=environ())


def finish(process: subprocess.Popen[str], folder: Path, timeout_s: float = 60) -> Load:
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"the load did not end:\n{output}") from None
    return Load(process.returncode, output, folder)


def run(url: str, folder: Path, *words: str, timeout_s: float = 60) -> Load:
    """A run to its end."""
    return finish(start(url, folder, *words), folder, timeout_s)


def wait_for_requests(folder: Path, count: int, timeout_s: float = 30) -> None:
    """Until so many are written down."""
    deadline = time.monotonic() + timeout_s
    while sum(len(f.read_text().splitlines()) for f in folder.glob("requests.*.jsonl")) < count:
        assert time.monotonic() < deadline, "no records were written"
        time.sleep(0.05)
