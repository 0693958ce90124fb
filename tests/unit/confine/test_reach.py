"""From where a listener may be reached, and the filter that says so."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.confine import bpf
from armature.confine.reach import LOOPBACK, Reach, at, plain

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


@given(st.lists(ADDRESSES, max_size=8), st.lists(st.integers(1, 65535), max_size=3))
def test_it_survives_its_way_to_another_process(addresses: list[str], ports: list[int]) -> None:
    reach = Reach(tuple(addresses), tuple(ports))
    assert Reach.from_json(reach.to_json()) == reach


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.0.2.7", "fe80::1%eth0", "::ffff:192.0.2.7"])
def test_whatever_is_not_loopback_is_confined(bound: str) -> None:
    assert at([]).limits(bound, 80) == LOOPBACK


@pytest.mark.parametrize("bound", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_left_alone(bound: str) -> None:
    assert at([]).limits(bound, 80) is None


def test_what_is_meant_is_left_alone() -> None:
    reach = at(["192.0.2.7"], open_ports=[8000])
    assert reach.limits("192.0.2.7", 80) is None and reach.limits("::ffff:192.0.2.7", 80) is None
    assert reach.limits("0.0.0.0", 8000) is None
    assert reach.limits("0.0.0.0", 80) == (*LOOPBACK, "192.0.2.7")


@pytest.mark.parametrize("every", ["0.0.0.0", "::"])
def test_who_names_every_interface_gets_no_filter(every: str) -> None:
    assert at([every]).limits("0.0.0.0", 80) is None and at([every]).limits("::", 80) is None


def test_a_name_is_resolved() -> None:
    assert set(at(["localhost"]).addresses) <= {*LOOPBACK, "127.0.1.1"}
    with pytest.raises(socket.gaierror):
        at(["nosuch.invalid"])


def packet(to: str) -> bytes:
    """The network header of a packet to this address, as far as filters read it."""
    value = plain(to)
    if value.version == 4:
        return bytes([0x45]) + bytes(15) + value.packed
    return bytes([0x60]) + bytes(23) + value.packed


def takes(program: list[bpf.Step], data: bytes) -> bool:
    """What the kernel does with a classic program, step by step."""
    accumulator, at_step = 0, 0
    while True:
        code, yes, no, k = program[at_step]
        at_step += 1
        offset = k - 0xFFF00000
        match code:
            case 0x20:
                if offset + 4 > len(data):
                    return False
                accumulator = struct.unpack_from("!I", data, offset)[0]
            case 0x30:
                accumulator = data[offset]
            case 0x74:
                accumulator >>= k
            case 0x15:
                at_step += yes if accumulator == k else no
            case 0x06:
                return k != 0
            case _:
                raise AssertionError(f"no such step: {code:#x}")


@given(st.lists(ADDRESSES, max_size=24, unique=True), ADDRESSES)
def test_the_filter_takes_what_comes_to_these_addresses_and_nothing_else(meant: list[str], other: str) -> None:
    program = bpf.only_to(meant)
    assert all(yes < 256 and no < 256 for _, yes, no, _ in program)
    assert all(takes(program, packet(address)) for address in meant)
    assert takes(program, packet(other)) == (plain(other) in [plain(a) for a in meant])
    assert not takes(program, b"\x00" * 64), "neither IPv4 nor IPv6"


@given(st.ip_addresses(v=6), st.integers(0, 127))
def test_one_bit_makes_another_address(address: ipaddress.IPv6Address, bit: int) -> None:
    other = str(ipaddress.IPv6Address(int(address) ^ (1 << bit)))
    if plain(other) != plain(str(address)):
        assert not takes(bpf.only_to([str(address)]), packet(other))
