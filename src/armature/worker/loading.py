"""Signals while an engine loads.

Loading blocks the event loop for seconds to minutes, so the loop's handlers would wait for the end of it. And what is
started meanwhile inherits how this process treats signals, which decides whether a drain works at all: Ctrl-C goes to
every process of a terminal's foreground group, and a scheduler that it kills can finish nothing.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker

import psutil

POLL_S = 0.2


class StoppedWhileLoading(BaseException):
    """A stop signal came before the engine was there. Not an Exception: nothing on its way may swallow it."""

    def __init__(self, number: int, sender: str = "") -> None:
        super().__init__(signal.Signals(number).name + sender)


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """Inside, SIGTERM and SIGINT raise StoppedWhileLoading, and processes that are started never see SIGINT.

    SIGINT is blocked, which children inherit; a thread waits for it on behalf of this process. Main thread only.
    """
    # Starting this helper of multiprocessing would unblock SIGINT behind our back, so it is started before.
    resource_tracker.ensure_running()
    main, done = threading.main_thread().ident, threading.Event()
    assert main is not None
    came: list[signal.struct_siginfo] = []

    def raise_it(number: int, _frame: object) -> None:
        if came:
            raise StoppedWhileLoading(signal.SIGINT, _sender(came[0].si_pid))
        raise StoppedWhileLoading(number)

    def relay() -> None:
        while not done.is_set():
            if (info := signal.sigtimedwait({signal.SIGINT}, POLL_S)) is not None:
                came.append(info)
                signal.pthread_kill(main, signal.SIGTERM)  # wakes the main thread out of a system call as well
                return

    # SIGINT too: another thread that leaves it unblocked may be the one that the kernel gives it to.
    handlers = {number: signal.signal(number, raise_it) for number in (signal.SIGTERM, signal.SIGINT)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    thread = threading.Thread(target=relay, name="sigint", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Inside, Python looks for no garbage; afterwards what is there is looked at no more.

    Importing SGLang makes millions of objects that stay, and a quarter of the time that it takes went into looking through them
    again and again. Nor are they worth a pause of a worker that serves.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _sender(pid: int) -> str:
    """Who sent a signal: an end that nobody asked for has to be traceable. pid: 0 for the kernel, a terminal's Ctrl-C for one."""
    if not pid:
        return ""
    try:
        return f" from {psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f" from pid {pid}, which is gone"


def end_children() -> None:
    """Kill what an engine that was cut off while loading had started: nobody else would."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
