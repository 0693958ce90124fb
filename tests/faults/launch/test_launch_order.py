"""Nodes start in order of need and stop in the reverse order."""

from __future__ import annotations

import signal
import subprocess

import pytest
from launch_bench import Bench

from armature.graph.node import ModelProbe


def end(launcher: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str]:
    launcher.send_signal(number)
    out, _ = launcher.communicate(timeout=15)
    return launcher.returncode, out


def test_a_run_from_start_to_drain(bench: Bench) -> None:
    """One run: edges are gated by readiness, independent nodes go side by side, the drain is the start's mirror."""
    bench.service("plane", "--late", "0.3")
    bench.service("left", "--late", "0.4", "--drain", "0.3", needs=["plane"])
    bench.service("right", "--late", "0.4", "--drain", "0.3", needs=["plane"])
    port = bench.service("front", "--drain", "0.2", needs=["left", "right"])
    body = {"model": "tiny", "messages": [{"role": "user", "content": "ready?"}], "max_tokens": 1}
    bench.nodes[-1] = bench.nodes[-1].model_copy(update={"ready": ModelProbe(url=f"http://127.0.0.1:{port}", model="tiny", body=body)})
    launcher = bench.launch(url=f"http://127.0.0.1:{port}", model="tiny")
    serving = bench.until("serving")
    assert (serving["url"], serving["model"]) == (f"http://127.0.0.1:{port}", "tiny")
    code, out = end(launcher)
    t = bench.times()
    ready = {n: bench.happened("ready", n)["t"] for n in ("plane", "left", "right", "front")}  # type: ignore[index]

    assert ready["plane"] <= t["left", "begin"] and ready["plane"] <= t["right", "begin"]
    assert max(ready["left"], ready["right"]) <= t["front", "begin"]
    assert abs(t["left", "begin"] - t["right", "begin"]) < 0.35, "independent nodes start side by side"
    assert t["front", "end"] <= min(t["left", "term"], t["right", "term"])
    assert abs(t["left", "term"] - t["right", "term"]) < 0.25, "independent nodes drain side by side"
    assert max(t["left", "end"], t["right", "end"]) <= t["plane", "term"]

    assert code == 0
    assert bench.events()[-1]["event"] == "ended" and bench.events()[-1]["exit_code"] == 0
    assert f"serving tiny at http://127.0.0.1:{port}" in out and f"curl -s http://127.0.0.1:{port}/v1/chat/completions" in out
    assert str(bench.run_dir / "logs") in out and "Ctrl-C" in out
    assert not bench.alive() and not (bench.root / "tmp").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_drain_too(bench: Bench, number: int) -> None:
    bench.service("one")
    launcher = bench.launch()
    bench.until("serving")
    assert end(launcher, number)[0] == 0


def test_tasks_alone_end_by_themselves_and_are_fresh_the_second_time(bench: Bench) -> None:
    bench.task("make", "mkdir -p $ROOT/out && echo made > $ROOT/out/a", ["out/a"], seed=0)
    bench.task("use", "mkdir -p $ROOT/out2 && cp $ROOT/out/a $ROOT/out2/b", ["out2/b"], needs=["make"])
    first = bench.launch()
    out, _ = first.communicate(timeout=15)
    assert first.returncode == 0 and "no result yet" in out

    again = bench.launch()
    out, _ = again.communicate(timeout=15)
    assert again.returncode == 0 and out.count("up to date") == 2 and not bench.happened("starting", "make")

    bench.nodes[0] = bench.nodes[0].model_copy(update={"task": bench.nodes[0].task.model_copy(update={"params": {"seed": 1}})})  # type: ignore[union-attr]
    changed = bench.launch()
    out, _ = changed.communicate(timeout=15)
    assert changed.returncode == 0
    assert "parameters changed: seed 0 -> 1" in out and "inputs changed: make ran again" in out


def test_the_environment_of_a_node(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_LAUNCHER", "yes")
    monkeypatch.setenv("BOTH", "launcher")
    bench.task("show", 'mkdir -p $ROOT/o; env > $ROOT/o/env; cat > $ROOT/o/stdin; ls -d "$TMPDIR"; ps -o pgid=,sid= -p $$', ["o/env"])
    bench.nodes[0] = bench.nodes[0].model_copy(update={"env": {**bench.nodes[0].env, "BOTH": "plan"}})
    launcher = bench.launch()
    assert launcher.wait(15) == 0
    env = dict(line.split("=", 1) for line in (bench.root / "o/env").read_text().splitlines() if "=" in line)
    assert env["FROM_LAUNCHER"] == "yes" and env["BOTH"] == "plan"
    assert env["TMPDIR"] == str(bench.root / "tmp" / "show") and env["TMPDIR"] in bench.log("show")
    assert (bench.root / "o/stdin").read_text() == ""


def test_two_launchers_build_an_output_once(bench: Bench) -> None:
    """The second waits, then finds it fresh."""
    make = "echo x >> $ROOT/count; while ! test -e $ROOT/go; do sleep 0.05; done; mkdir -p $ROOT/out && echo made > $ROOT/out/a"
    bench.task("make", make, ["out/a"])
    first = bench.launch()
    bench.until("started", "make")
    bench.run_dir = bench.root / "run2"
    second = bench.launch()
    assert second.stdout
    assert any(f"waiting: pid {first.pid} is making the same outputs" in line for line in second.stdout), "it did not wait"
    (bench.root / "go").touch()
    assert "up to date" in second.stdout.read()
    assert first.wait(15) == 0 and second.wait(15) == 0
    assert (bench.root / "count").read_text() == "x\n"
    assert not list(bench.root.glob(".*.lock"))


def test_a_killed_launchers_lock_is_free(bench: Bench) -> None:
    bench.task("make", "test -e $ROOT/fast || sleep 30; mkdir -p $ROOT/out && echo made > $ROOT/out/a", ["out/a"])
    first = bench.launch()
    bench.until("started", "make")
    first.kill()
    (bench.root / "fast").touch()
    first.wait()
    assert list(bench.root.glob(".*.lock")), "the killed launcher left its file"
    second = bench.launch()
    assert second.wait(10) == 0 and (bench.root / "out/a").exists()
