"""Listening sockets of this process, and ports of others."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from armature.binding import held_by
from armature.errors import UserError
from armature.runtime.listener import is_listening, require_free, set_nodelay


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as s:
        yield s


def test_nodelay_is_set_on_the_listener_and_inherited(server: socket.socket) -> None:
    port = server.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)), server.accept()[0] as early:
        assert not early.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert set_nodelay(port)
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert early.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "accepted before, and still reached"
    with socket.create_connection(("127.0.0.1", port)), server.accept()[0] as late:
        assert late.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "inherited"


def test_nothing_listens() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        assert not set_nodelay(port) and not is_listening(port)


def test_a_port_in_use_is_named_with_its_holder(server: socket.socket) -> None:
    port = server.getsockname()[1]
    with pytest.raises(UserError) as e:
        require_free("127.0.0.1", port)
    assert f"port {port}" in str(e.value) and f" by pid {os.getpid()} (" in str(e.value)
    assert e.value.where == f"--http-port {port}"


def test_a_free_port_passes(server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    require_free("127.0.0.1", port)
    assert held_by(port) == ""


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(UserError, match=r"cannot listen on 192\.0\.2\.77"):
        require_free("192.0.2.77", 8000)
