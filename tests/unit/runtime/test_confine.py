"""A listener on every interface takes only what comes to the address that was meant."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from armature.runtime.confine import confine

MEANT, OTHER = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def everywhere() -> Iterator[socket.socket]:
    with socket.socket() as s:
        s.bind(("0.0.0.0", 0))
        s.listen()
        yield s


def reaches(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=0.5) as s:
            return s.getpeername()[0] == address
    except TimeoutError:
        return False


def test_without_it_every_address_is_answered(everywhere: socket.socket) -> None:
    assert reaches(MEANT, everywhere.getsockname()[1]) and reaches(OTHER, everywhere.getsockname()[1])


def test_only_the_meant_address_is_answered(everywhere: socket.socket) -> None:
    port = everywhere.getsockname()[1]
    assert port in confine(MEANT)
    assert reaches(MEANT, port) and not reaches(OTHER, port)


def test_what_listens_elsewhere_is_left_alone() -> None:
    with socket.socket() as s:
        s.bind((OTHER, 0))
        s.listen()
        assert s.getsockname()[1] not in confine(MEANT)
        assert reaches(OTHER, s.getsockname()[1])


@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "gpu-7.example"])
def test_who_asks_for_every_interface_or_names_a_host_gets_no_filter(everywhere: socket.socket, host: str) -> None:
    assert confine(host) == []
    assert reaches(OTHER, everywhere.getsockname()[1])


def test_looking_leaves_no_file_open(everywhere: socket.socket) -> None:
    confine(MEANT)
    before = len(os.listdir("/proc/self/fd"))
    confine(MEANT)
    assert len(os.listdir("/proc/self/fd")) == before
