"""How long it takes to know all KV blocks again: the bridge from the durable stream, and a router from the bridge.

    python -m benchmarks.kv_rebuild.run [--blocks 1000000] [--ranks 8] [--rounds 3] [--out DIR]

The blocks are made up; the stream lies on a real nats-server, bridge and router are those of a deployment. Each round ends
the bridge and starts it again, and then has a new router join. The router's time includes the last look at its index. (Of a
bridge that was killed the router learns only when its registration lapses, 10 s later: until then it trusts neither source.)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from benchmarks.common.facts import hardware, versions

from armature import env
from armature.graph.ports import is_free
from armature.graph.programs import find

ENDPOINT = "bench.backend.generate"
LIMIT_S = 300.0


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--blocks", type=int, default=1_000_000, help="of all ranks together")
    p.add_argument("--ranks", type=int, default=8)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--out", type=Path, default=Path("benchmarks/kv_rebuild/records/new"))
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "benchmark": "kv_rebuild",
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "hardware": hardware(),
        "versions": versions(),
        "settings": {"blocks": a.blocks, "ranks": a.ranks, "rounds": a.rounds},
    }
    with tempfile.TemporaryDirectory() as folder:
        record |= measure(a, Path(folder))
    (a.out / "summary.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({k: record[k] for k in ("written_s", "stream_mib", "rounds")}))
    return 0


def measure(a: argparse.Namespace, folder: Path) -> dict[str, Any]:
    port, monitor = (next(p for p in range(first, first + 900) if is_free("127.0.0.1", p)) for first in (24100, 25100))
    planes = os.environ | {
        env.DYN_DISCOVERY: "file",
        env.DYN_FILE_KV: str(folder / "discovery"),
        env.NATS_SERVER: f"nats://127.0.0.1:{port}",
        env.DYN_LOG: "error",
    }
    running: list[subprocess.Popen[bytes]] = []
    try:
        server = [find("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-m", str(monitor), "-js", "-sd", str(folder / "jetstream")]
        running.append(subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        _wait(lambda: _get(f"http://127.0.0.1:{monitor}/healthz") is not None, "nats-server")
        worker = Logged(folder / "worker.log", planes, "-m", "benchmarks.kv_rebuild.worker", ENDPOINT, a.ranks, a.blocks // a.ranks)
        running.append(worker.process)
        written = worker.wait("written ")
        streams = _get(f"http://127.0.0.1:{monitor}/jsz") or {}
        rounds = []
        for number in range(a.rounds):
            bridge = Logged(folder / f"bridge{number}.log", planes, "-m", "armature", "kv-bridge", "--endpoint", ENDPOINT)
            running.append(bridge.process)
            bridge.wait("kv bridge ready")
            took = time.monotonic() - bridge.began
            rss = psutil.Process(bridge.process.pid).memory_info().rss
            router = Logged(folder / f"router{number}.log", planes, "-m", "benchmarks.kv_rebuild.router", ENDPOINT, a.blocks)
            running.append(router.process)
            known = router.wait("known ").split()
            rounds.append({"bridge_s": round(took, 2), "bridge_mib": rss >> 20, "router_s": float(known[0]), "look_s": float(known[2])})
            print(rounds[-1], flush=True)
            bridge.process.terminate()
            bridge.process.wait()
        return {"written_s": float(written), "stream_mib": streams.get("storage", 0) >> 20, "rounds": rounds}
    finally:
        for process in running:
            process.kill()


class Logged:
    """A Python process whose output lies in a file."""

    def __init__(self, log: Path, environ: Mapping[str, str], *words: object) -> None:
        self._log = log
        self.began = time.monotonic()
        with log.open("wb") as f:
            self.process = subprocess.Popen([sys.executable, *map(str, words)], stdout=f, stderr=subprocess.STDOUT, env=environ)

    def wait(self, word: str) -> str:
        """What stands after `word` in its output, once it is there."""

        def said() -> str | None:
            lines = self._log.read_text(errors="replace").splitlines()
            return next((line.split(word, 1)[1] + " " for line in lines if word in line), None)

        found: str = _wait(said, word, self.process, self._log)
        return found


def _wait(condition: Any, what: str, process: subprocess.Popen[bytes] | None = None, log: Path | None = None) -> Any:
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise RuntimeError(f"no {what!r}: {log.read_text()[-2000:] if log else ''}")
        time.sleep(0.02)
    return found


def _get(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main())
