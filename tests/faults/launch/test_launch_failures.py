"""Nodes that do not get ready, die, or do not end; signals at the wrong time; a launcher or a guard that is killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from launch_bench import Bench, free_port, wait_for

from armature.graph.node import HttpProbe, LogProbe, ModelProbe, Probe
from armature.launch import tree

BODY = {"model": "tiny", "messages": [], "max_tokens": 1}


@pytest.mark.parametrize(
    ("flags", "probe"),
    [
        ((), lambda p: HttpProbe(url=f"http://127.0.0.1:{p}/nowhere", status=404)),
        (("--say", "warming", "--say", "engine is up: 3"), lambda p: LogProbe(pattern=r"up: \d")),
        (("--unroutable", "0.6"), lambda p: ModelProbe(url=f"http://127.0.0.1:{p}", model="tiny", body=BODY)),
    ],
    ids=["http", "log", "model"],
)
def test_each_kind_of_probe_is_content(bench: Bench, flags: tuple[str, ...], probe: Callable[[int], Probe]) -> None:
    port = free_port()
    bench.service("one", *flags, port=port, ready=probe(port))
    launcher = bench.launch()
    bench.until("serving")
    launcher.terminate()
    assert launcher.wait(10) == 0


@pytest.mark.parametrize(
    ("flags", "probe", "text"),
    [
        (("--say", "loading weights"), lambda p: HttpProbe(url=f"http://127.0.0.1:{p}/no", timeout_s=1), "404: {"),
        (("--late", "9"), lambda p: HttpProbe(url=f"http://127.0.0.1:{p}/no", timeout_s=0.5), "refused"),
        ((), lambda p: LogProbe(pattern="engine up", timeout_s=0.5), "no line matches"),
        ((), lambda p: ModelProbe(url=f"http://127.0.0.1:{p}", model="big", body=BODY, timeout_s=1), "GET /v1/models lists tiny"),
        (
            ("--unroutable", "9"),
            lambda p: ModelProbe(url=f"http://127.0.0.1:{p}", model="tiny", body=BODY, timeout_s=1),
            "POST /v1/chat/completions answered 503",
        ),
    ],
    ids=["http", "refused", "log", "unlisted", "unroutable"],
)
def test_a_probe_in_vain_says_the_last_answer(bench: Bench, flags: tuple[str, ...], probe: Callable[[int], Probe], text: str) -> None:
    port = free_port()
    bench.service("one", *flags, port=port, ready=probe(port))
    bench.service("two", needs=["one"])
    launcher = bench.launch()
    out, _ = launcher.communicate(timeout=15)
    assert launcher.returncode == 1
    failed = bench.happened("failed", "one")
    assert failed and "not ready after" in failed["detail"] and text in failed["detail"] and text in out
    if "--say" in flags:
        assert "| loading weights" in out
    assert not bench.happened("starting", "two"), "what needs it never starts"


def test_a_node_that_dies_during_start(bench: Bench) -> None:
    """At once, not when the probe's time is over; with its exit code and its last 15 lines."""
    bench.service("other")
    says = [word for i in range(20) for word in ("--say", f"line {i}")]
    bench.service("one", *says, "--late", "60", "--die", "0:3")
    bench.nodes[-1] = bench.nodes[-1].model_copy(
        update={"argv": ("sh", "-c", "for i in $(seq 20); do echo line $i; done; printf 'half \\377'; exit 3")}
    )
    begun = time.monotonic()
    launcher = bench.launch()
    out, _ = launcher.communicate(timeout=15)
    assert launcher.returncode == 1 and time.monotonic() - begun < 5
    assert "ended before it was ready: exit code 3" in out
    assert "| line 7\n" in out and "| line 6\n" not in out and "| half \N{REPLACEMENT CHARACTER}\n" in out
    assert (bench.run_dir / "logs/one.log").read_bytes().endswith(b"half \xff")
    assert not bench.alive()


def test_a_node_that_dies_while_serving(bench: Bench) -> None:
    """What needs it stops first, then the rest."""
    bench.service("plane")
    bench.service("worker", "--say", "cuda error 700", needs=["plane"])
    bench.service("front", "--drain", "0.2", needs=["worker"])
    launcher = bench.launch()
    bench.until("serving")
    started = bench.happened("started", "worker")
    assert started
    os.kill(started["pid"], signal.SIGSEGV)
    out, _ = launcher.communicate(timeout=15)
    t = bench.times()
    assert launcher.returncode == 1
    assert "worker  failed: ended while needed: killed by SIGSEGV" in out and "| cuda error 700" in out
    assert t["front", "end"] <= t["plane", "term"]
    assert bench.events()[-1]["exit_code"] == 1 and not bench.alive()


def test_a_program_that_cannot_run(bench: Bench) -> None:
    script = bench.root / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    bench.service("one")
    bench.nodes[0] = bench.nodes[0].model_copy(update={"argv": (str(script),)})
    launcher = bench.launch()
    out, _ = launcher.communicate(timeout=15)
    assert launcher.returncode == 1 and "cannot be started" in out and "No such file" in out


@pytest.mark.parametrize(
    ("script", "text"),
    [("echo why; exit 4", "failed: exit code 4"), ("true", "ended with exit code 0 without writing ")],
    ids=["code", "no output"],
)
def test_a_task_that_fails(bench: Bench, script: str, text: str) -> None:
    bench.task("make", script, ["out/a"])
    launcher = bench.launch()
    out, _ = launcher.communicate(timeout=15)
    assert launcher.returncode == 1 and text in out


def test_an_interrupted_task_is_not_fresh(bench: Bench) -> None:
    bench.task("make", "mkdir -p $ROOT/out; echo half > $ROOT/out/a; sleep $(cat $ROOT/pause); echo whole > $ROOT/out/a", ["out/a"])
    (bench.root / "pause").write_text("30")
    launcher = bench.launch()
    wait_for((bench.root / "out/a").exists)
    launcher.send_signal(signal.SIGINT)
    out, _ = launcher.communicate(timeout=15)
    assert launcher.returncode == 130, "it was not served"
    (bench.root / "pause").write_text("0")
    again = bench.launch()
    out, _ = again.communicate(timeout=15)
    assert "no record of what made" in out and (bench.root / "out/a").read_text() == "whole\n"


def test_a_signal_during_start_stops_what_was_started(bench: Bench) -> None:
    bench.service("one")
    bench.service("two", "--late", "30", needs=["one"])
    launcher = bench.launch()
    bench.until("started", "two")
    launcher.terminate()
    assert launcher.wait(10) == 143 and not bench.alive()
    assert bench.happened("stopped", "two")["t"] <= bench.happened("stopping", "one")["t"]  # type: ignore[index]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_forces(bench: Bench, number: int, code: int) -> None:
    bench.service("one", "--drain", "-1", "--leave", f"arm-{os.getpid()}", drain_s=60)
    launcher = bench.launch()
    bench.until("serving")
    launcher.send_signal(number)
    wait_for(lambda: "draining" in bench.log("one"))
    time.sleep(0.15)
    launcher.send_signal(number)
    assert launcher.wait(5) == code and not bench.alive()


def test_a_node_that_does_not_drain_is_killed(bench: Bench) -> None:
    bench.service("one", "--drain", "-1", drain_s=0.5)
    launcher = bench.launch()
    bench.until("serving")
    launcher.terminate()
    out, _ = launcher.communicate(timeout=10)
    assert launcher.returncode == 1 and "did not end within 0.5 s: killed by SIGKILL" in out
    assert not bench.alive()


class Leftovers:
    """What a node with `--leave` made, found anywhere on the machine."""

    def __init__(self, bench: Bench, node: str, name: str) -> None:
        self.bench, self.shm = bench, Path("/dev/shm") / name
        self.ipc = bench.root / "tmp" / node / name
        self.port = int(re.search(r'"port": (\d+)', wait_for(lambda: '"port"' in bench.log(node) and bench.log(node)))[1])  # type: ignore[index]

    def left(self) -> list[str]:
        found = [str(p) for p in (self.shm, self.ipc, self.bench.root / "tmp") if p.exists()]
        with socket.socket() as s:
            found += [f"port {self.port}"] if s.connect_ex(("127.0.0.1", self.port)) == 0 else []
        return found + [f"pid {pid}" for pid in self.bench.alive()]


@pytest.mark.parametrize("when", ["starting", "serving", "draining"])
def test_nothing_survives_a_killed_launcher(bench: Bench, when: str) -> None:
    name = f"arm-{when}-{os.getpid()}"
    bench.service("deep", "--leave", name, *(["--late", "60"] if when == "starting" else []), "--drain", "-1", drain_s=60)
    bench.service("front", needs=["deep"])
    launcher = bench.launch()
    bench.until("started", "deep")
    left = Leftovers(bench, "deep", name)
    wait_for(left.ipc.exists)
    if when != "starting":
        bench.until("serving")
    if when == "draining":
        launcher.terminate()
        wait_for(lambda: "draining" in bench.log("deep"))
    assert len(bench.alive()) >= 3 and left.shm.exists() and left.ipc.exists(), "there is something to survive"
    launcher.kill()
    launcher.wait()
    wait_for(lambda: not left.left(), timeout_s=3)


def test_nothing_survives_a_killed_guard(bench: Bench) -> None:
    """The main process gets the kernel's signal; the launcher clears up the rest and ends the run."""
    name = f"arm-guard-{os.getpid()}"
    bench.service("deep", "--leave", name)
    launcher = bench.launch()
    bench.until("serving")
    left = Leftovers(bench, "deep", name)
    started = bench.happened("started", "deep")
    assert started
    guard = tree.process(started["pid"])
    time.sleep(1.2)  # the guard has told what its tree holds
    assert guard
    os.kill(guard.parent, signal.SIGKILL)
    out, _ = launcher.communicate(timeout=10)
    assert launcher.returncode == 1 and "its guard ended first (SIGKILL)" in out
    assert not left.left()


def test_a_clean_end_leaves_nothing_either(bench: Bench) -> None:
    """And what was in /dev/shm before the run stays, though a node had it open."""
    name = f"arm-clean-{os.getpid()}"
    kept = Path("/dev/shm") / f"arm-kept-{os.getpid()}"
    kept.write_bytes(b"a user's own file")
    try:
        bench.service("deep", "--leave", name)
        bench.nodes[0] = bench.nodes[0].model_copy(update={"argv": ("sh", "-c", f'exec 9<>{kept}; exec "$@"', "sh", *bench.nodes[0].argv)})
        launcher = bench.launch()
        bench.until("serving")
        left = Leftovers(bench, "deep", name)
        launcher.terminate()
        assert launcher.wait(10) == 0
        assert not left.left() and kept.exists()
    finally:
        kept.unlink()


def test_the_logs(bench: Bench) -> None:
    bench.task("raw", r"printf 'a\377b\n\033[31mred\033[0m\n50%%\r100%%\nno newline'; mkdir -p $ROOT/o; touch $ROOT/o/x", ["o/x"])
    launcher = bench.launch("--logs")
    out, _ = launcher.communicate(timeout=10)
    assert (bench.run_dir / "logs/raw.log").read_bytes() == b"a\xffb\n\x1b[31mred\x1b[0m\n50%\r100%\nno newline"
    merged = (bench.run_dir / "logs/all.log").read_text().splitlines()
    assert merged == ["raw | a\N{REPLACEMENT CHARACTER}b", "raw | red", "raw | 100%", "raw | no newline"]
    assert all(line in out for line in merged)


def test_a_closed_output_does_not_end_the_run(bench: Bench) -> None:
    bench.service("one")
    launcher = bench.launch()
    assert launcher.stdout
    launcher.stdout.close()
    launcher.stdout = None
    bench.until("serving")
    launcher.terminate()
    assert launcher.wait(10) == 0


def test_a_port_in_use(bench: Bench) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        bench.service("frontend", port=port)
        block = bench.nodes[0].ports["http"].model_copy(update={"fixed": True})
        bench.nodes[0] = bench.nodes[0].model_copy(update={"ports": {"http": block}})
        launcher = bench.launch()
        out, _ = launcher.communicate(timeout=10)
    assert launcher.returncode == 2
    assert f"node frontend: port {port} (http) on 127.0.0.1 is in use by pid {os.getpid()} (" in out
    assert re.search(r"choose another: frontend\.port=\d+", out) and "Traceback" not in out
    assert not bench.run_dir.exists(), "nothing was written"
