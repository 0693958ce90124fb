"""A service that dies while the run serves is started again, as often as its policy says."""

from __future__ import annotations

import os
import signal
import time

from launch_bench import Bench, wait_for


def pids(bench: Bench, node: str) -> list[int]:
    return [e["pid"] for e in bench.events() if e["event"] == "started" and e["node"] == node]


def kill(bench: Bench, node: str) -> None:
    """Kill its newest process, and wait until the launcher has seen that."""
    pid = pids(bench, node)[-1]
    exits = len([e for e in bench.events() if e["event"] in ("exited", "failed") and e["node"] == node])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len([e for e in bench.events() if e["event"] in ("exited", "failed") and e["node"] == node]) > exits)


def revived(bench: Bench, node: str, times: int) -> bool:
    return len([e for e in bench.events() if e["event"] == "ready" and e["node"] == node]) == times + 1


def test_it_comes_back_on_its_port_and_nothing_else_stops(bench: Bench) -> None:
    bench.service("worker", "--say", "up", restarts=1)
    bench.service("frontend", needs=["worker"])
    launcher = bench.launch()
    bench.until("serving")
    kill(bench, "worker")
    assert wait_for(lambda: revived(bench, "worker", 1))
    assert len(pids(bench, "frontend")) == 1 and not bench.happened("stopping", "frontend")
    launcher.terminate()
    out, _ = launcher.communicate(timeout=10)
    assert launcher.returncode == 0
    assert "exited: killed by SIGKILL" in out and "restarting: 1 of 1" in out
    assert bench.log("worker").count("up\n") == 2, "the log of the first life was lost"
    assert not bench.alive()


def test_one_death_too_many_ends_the_run(bench: Bench) -> None:
    bench.service("worker", restarts=1)
    bench.service("frontend", needs=["worker"])
    launcher = bench.launch()
    bench.until("serving")
    kill(bench, "worker")
    assert wait_for(lambda: revived(bench, "worker", 1))
    kill(bench, "worker")
    out, _ = launcher.communicate(timeout=10)
    assert launcher.returncode == 1
    assert "ended while needed: killed by SIGKILL (after 1 restart within 600 s)" in out
    assert not bench.alive()


def test_a_service_that_does_not_come_back_ends_the_run(bench: Bench) -> None:
    mark = bench.root / "second"
    bench.service("worker", restarts=2)
    script = f'if [ -e {mark} ]; then echo broken now; exit 7; fi; touch {mark}; exec "$@"'
    bench.nodes[0] = bench.nodes[0].model_copy(update={"argv": ("sh", "-c", script, "sh", *bench.nodes[0].argv)})
    launcher = bench.launch()
    bench.until("serving")
    kill(bench, "worker")
    out, _ = launcher.communicate(timeout=15)
    assert launcher.returncode == 1
    assert "ended before it was ready: exit code 7 (after 2 restarts" in out and "| broken now" in out


def test_a_death_before_the_run_serves_ends_it(bench: Bench) -> None:
    bench.service("worker", restarts=5)
    bench.service("frontend", "--late", "60", needs=["worker"])
    launcher = bench.launch()
    bench.until("ready", "worker")
    kill(bench, "worker")
    assert launcher.wait(10) == 1
    assert not bench.happened("restarting", "worker")


def test_a_signal_during_a_restart_ends_everything(bench: Bench) -> None:
    mark = bench.root / "second"
    bench.service("worker", restarts=1)
    script = f'if [ -e {mark} ]; then sleep 60; fi; touch {mark}; exec "$@"'
    bench.nodes[0] = bench.nodes[0].model_copy(update={"argv": ("sh", "-c", script, "sh", *bench.nodes[0].argv)})
    launcher = bench.launch()
    bench.until("serving")
    kill(bench, "worker")
    assert wait_for(lambda: len(pids(bench, "worker")) == 2)
    begun = time.monotonic()
    launcher.terminate()
    assert launcher.wait(10) == 0 and time.monotonic() - begun < 8
    assert not bench.alive()
