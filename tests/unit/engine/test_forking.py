"""Processes of an engine that are forks of this one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from armature.engine import forking


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    """This process does something of its own at SIGTERM, and sees no SIGINT: as a worker that loads its engine."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    signal.signal(signal.SIGTERM, before)


def _tell(to: Connection) -> None:
    to.send(
        (os.getppid(), signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
    )


def _tell_from_below(to: Connection) -> None:
    child = multiprocessing.Process(target=_tell, args=(to,))
    child.start()
    child.join(10)


def _answer(target: object) -> tuple[int, bool, bool]:
    reader, writer = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=target, args=(writer,))  # type: ignore[arg-type]
    process.start()
    assert reader.poll(20), "it said nothing"
    said: tuple[int, bool, bool] = reader.recv()
    process.join(10)
    return said


@pytest.mark.parametrize("target", [_tell, _tell_from_below])
def test_signals_are_as_in_a_fresh_process(target: object) -> None:
    with forking.instead_of_spawning():
        _, default_at_sigterm, blocks_sigint = _answer(target)
    assert default_at_sigterm
    assert blocks_sigint


def test_garbage_is_collected_in_it() -> None:
    def tell(to: Connection) -> None:
        to.send((0, gc.isenabled(), gc.get_freeze_count() > 0))

    gc.disable()
    try:
        with forking.instead_of_spawning():
            assert _answer(tell)[1:] == (True, True)
    finally:
        gc.enable()
        gc.unfreeze()


def test_the_process_is_a_fork() -> None:
    loaded_here = object()
    kept = {"it": loaded_here}

    def tell(to: Connection) -> None:  # not picklable: a spawned process could not run it
        to.send((os.getppid(), kept["it"] is loaded_here, True))

    with forking.instead_of_spawning():
        assert _answer(tell) == (os.getpid(), True, True)


def test_afterwards_the_start_method_is_what_it_was() -> None:
    before = multiprocessing.get_start_method()
    with pytest.raises(KeyError), forking.instead_of_spawning():
        raise KeyError
    assert multiprocessing.get_start_method() == before


def test_afterwards_a_fork_keeps_its_parents_handlers() -> None:
    with forking.instead_of_spawning():
        pass
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writer, b"default" if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else b"parent's")
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    assert os.read(reader, 10) == b"parent's"
    os.close(reader)
