"""Signals while an engine loads."""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from armature.worker.loading import StoppedWhileLoading, stop_signals, without_collecting
from support.interrupts import sigint_as_python_has_it

SIGINT_BIT = 1 << (signal.SIGINT - 1)


@pytest.fixture(autouse=True)
def _sigint_as_python_has_it() -> Iterator[None]:
    with sigint_as_python_has_it():
        yield


def interrupt(number: signal.Signals) -> None:
    """Signal this process and stay in Python: the kernel may wake another thread, and the main one sees it at its next step."""
    os.kill(os.getpid(), number)
    for _ in range(100):
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_loading_at_once(number: signal.Signals) -> None:
    began = time.monotonic()
    with pytest.raises(StoppedWhileLoading, match=number.name), stop_signals():
        interrupt(number)
    assert time.monotonic() - began < 2


def test_children_never_see_sigint_and_this_process_does_again() -> None:
    with stop_signals():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        blocked = next(line for line in Path(f"/proc/{child.pid}/status").read_text().splitlines() if line.startswith("SigBlk"))
        assert int(blocked.split()[1], 16) & SIGINT_BIT
        child.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT)


def test_another_thread_that_takes_sigint_changes_nothing() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()  # SIGINT is not blocked in it
    try:
        with pytest.raises(StoppedWhileLoading, match="SIGINT"), stop_signals():
            interrupt(signal.SIGINT)
    finally:
        release.set()
        thread.join()


def test_children_of_multiprocessing_never_see_sigint() -> None:
    with stop_signals():
        child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(30,))
        child.start()
    try:
        time.sleep(0.5)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGINT)
        time.sleep(0.3)
        assert child.exitcode is None
    finally:
        child.kill()
        child.join()


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


LOADS = """
import sys, time
from armature.worker.loading import StoppedWhileLoading, stop_signals
try:
    with stop_signals():
        print("loading", flush=True)
        time.sleep(30)
except StoppedWhileLoading as e:
    print(e)
"""


def test_who_sent_it_is_told() -> None:
    # In a process of its own: here, threads of other tests may take the signal, and it is the thread that waits for it that knows.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    loading = subprocess.Popen([sys.executable, "-c", LOADS], stdout=subprocess.PIPE, text=True, env=environment)
    assert loading.stdout and loading.stdout.readline() == "loading\n"
    loading.send_signal(signal.SIGINT)
    assert re.fullmatch(rf"SIGINT from .+ \(pid {os.getpid()}\)\n", loading.communicate(timeout=10)[0])


def test_loading_is_not_held_up_by_looks_for_garbage() -> None:
    with without_collecting():
        assert not gc.isenabled()
    try:
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_garbage_is_collected_again_after_loading_in_vain() -> None:
    with pytest.raises(KeyError), without_collecting():
        raise KeyError
    gc.unfreeze()
    assert gc.isenabled()
