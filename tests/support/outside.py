"""A place outside this host, and what can be reached from there.

The best one is a network namespace of its own, joined by a pair of virtual interfaces: what comes from there came over a network.
Where that may not be made (it needs root and `ip`), the host's own second address has to do: what is sent to it is not sent to loopback.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

TRIED_S = 0.4  # a dropped packet is never answered; an answer on one host takes a thousandth of this
_HERE = ("198.18.{n}.1", "fd57:{n}::1")  # RFC 2544 and RFC 4193: nobody's
_THERE = ("198.18.{n}.2", "fd57:{n}::2")

# Reads lines "ADDRESS PORT" and answers each with "1" where something accepts a connection there, at the same order.
_PROGRAM = f"""
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def answers(line):
    host, port = line.split()
    try:
        with socket.create_connection((host, int(port)), timeout={TRIED_S}):
            return "1"
    except OSError:
        return "0"
with ThreadPoolExecutor(64) as pool:
    print("\\n".join(pool.map(answers, sys.stdin)))
"""


@dataclass(frozen=True)
class Outside:
    """kind: how it is outside, in words. addresses: of this host, as it is reached from there.
    enter: the words by which a program is started there."""

    kind: str
    addresses: tuple[str, ...]
    enter: tuple[str, ...] = field(default=(), repr=False)

    def answering(self, ports: Iterable[int]) -> set[tuple[str, int]]:
        """(address, port) of all that take a TCP connection from there."""
        asked = [(address, port) for port in sorted(set(ports)) for address in self.addresses]
        if not asked:
            return set()
        lines = "".join(f"{address} {port}\n" for address, port in asked)
        done = subprocess.run([*self.enter, sys.executable, "-c", _PROGRAM], input=lines, capture_output=True, text=True, check=True)
        return {place for place, answer in zip(asked, done.stdout.split(), strict=True) if answer == "1"}


@contextmanager
def outside() -> Iterator[Outside]:
    """The best place outside that may be had here. Raises RuntimeError when this host has no second address at all."""
    with contextlib.ExitStack() as stack:
        try:
            yield stack.enter_context(_namespace())
            return
        except PermissionError as e:
            reason = str(e)
        addresses = tuple(own_addresses())
        if not addresses:
            raise RuntimeError(f"no place outside: {reason}; and this host has no address but loopback")
        yield Outside(f"this host's own addresses {', '.join(addresses)} (no network namespace: {reason})", addresses)


def own_addresses() -> Iterator[str]:
    """This host's addresses that are neither loopback nor of one link only."""
    for name, found in psutil.net_if_addrs().items():
        for entry in found:
            if entry.family in (socket.AF_INET, socket.AF_INET6) and name != "lo" and not entry.address.startswith(("127.", "fe80:")):
                yield entry.address


@contextmanager
def _namespace() -> Iterator[Outside]:
    ip = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    if ip is None:
        raise PermissionError("there is no program `ip` (iproute2)")

    def do(*words: str) -> None:
        done = subprocess.run([ip, *words], capture_output=True, text=True)
        if done.returncode:
            raise PermissionError(f"`ip {' '.join(words)}`: {done.stderr.strip()}")

    n = _free_number()
    name, here, there = f"outside{n}", f"av{n}h", f"av{n}n"
    do("netns", "add", name)
    try:
        do("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        for inside, interface, addresses in ((False, here, _HERE), (True, there, _THERE)):
            at = ("-n", name) if inside else ()
            for address, bits in zip(addresses, (24, 64), strict=True):
                extra = ("nodad",) if bits == 64 else ()
                do(*at, "address", "add", f"{address.format(n=n)}/{bits}", "dev", interface, *extra)
            do(*at, "link", "set", interface, "up")
        yield Outside("a network namespace, over a veth", tuple(a.format(n=n) for a in _HERE), (ip, "netns", "exec", name))
    finally:
        subprocess.run([ip, "link", "delete", here], capture_output=True)
        subprocess.run([ip, "netns", "delete", name], capture_output=True)


def _free_number() -> int:
    """One whose network nobody has: tests run side by side."""
    taken = {entry.address for found in psutil.net_if_addrs().values() for entry in found}
    return next(n for n in range(1, 255) if _HERE[0].format(n=n) not in taken)
