"""From where a process may be reached."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass

LOOPBACK = ("127.0.0.1", "::1")
EVERY = ("0.0.0.0", "::")
# Why nothing is to be done in a process: its supervisor has the kernel do it.
BY_KERNEL = "kernel"


@dataclass(frozen=True)
class Reach:
    """addresses: IPv4 and IPv6 literals of this host at which the process's listeners answer; an unspecified one means all.
    open_ports: TCP ports that answer on every interface.
    """

    addresses: tuple[str, ...] = LOOPBACK
    open_ports: tuple[int, ...] = ()

    def limits(self, address: str, port: int) -> tuple[str, ...] | None:
        """The addresses that a listener on `address`:`port` must be confined to; None where nothing is to be done.

        address: as getsockname() tells it. A listener on loopback is out of reach, and one on an address of `addresses` is meant.
        """
        bound = plain(address)
        if port in self.open_ports or bound.is_loopback or any(plain(a) == bound or plain(a).is_unspecified for a in self.addresses):
            return None
        return self.addresses

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Reach:
        """The value that `to_json` wrote. Raises ValueError."""
        given = json.loads(text)
        return cls(tuple(given["addresses"]), tuple(given["open_ports"]))


def plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as a value: without its zone, and an IPv4 one that is mapped into IPv6 as what it is."""
    value = ipaddress.ip_address(address.partition("%")[0])
    return (value.ipv4_mapped or value) if isinstance(value, ipaddress.IPv6Address) else value


def at(hosts: Iterable[str], open_ports: Iterable[int] = ()) -> Reach:
    """Loopback and `hosts`, names or addresses. Raises OSError for a name that does not resolve."""
    found = dict.fromkeys(LOOPBACK)
    for host in hosts:
        found |= dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    return Reach(tuple(found), tuple(sorted(set(open_ports))))
