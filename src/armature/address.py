"""Hosts, addresses and URLs: the one place that writes and reads HOST:PORT.

A host is a name, an IPv4 address or an IPv6 address without brackets. Beside a port an IPv6 address stands in brackets, as its own
colons would hide the port's.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
LOOPBACK_V6 = "::1"
EVERY = "0.0.0.0"  # every interface
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


class Address(NamedTuple):
    """Where a server is: its host, without brackets, and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        return join(self.host, self.port)

    def url(self, path: str = "", scheme: str = "http") -> str:
        """The URL of `path` there."""
        return url(self.host, self.port, path, scheme)


def join(host: str, port: int | str) -> str:
    """HOST:PORT. port: may be a placeholder that placement fills in."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url(host: str, port: int | str, path: str = "", scheme: str = "http") -> str:
    """SCHEME://HOST:PORT and then `path`."""
    return url_at(join(host, port), path, scheme)


def url_at(authority: str, path: str = "", scheme: str = "http") -> str:
    """The same for a HOST:PORT that is already written, or is a placeholder for one."""
    return f"{scheme}://{authority}{path}"


def parse(text: str) -> Address:
    """The address that HOST:PORT names. Raises ValueError for anything else, also for an IPv6 address without brackets."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not (colon and bare) or (":" in bare) != (host == f"[{bare}]") or not _is_port(port):
        raise ValueError(f"{text!r} is not HOST:PORT; write an IPv6 address in brackets, as in [::1]:8000")
    return Address(bare, int(port))


def parse_url(text: str, default_port: int | None = None) -> Address:
    """The address in a URL. default_port: where it names none. Raises ValueError."""
    parts = urlsplit(text)
    port = parts.port or default_port
    if not parts.hostname or port is None:
        raise ValueError(f"{text!r} is not the address of a server")
    return Address(parts.hostname, port)


def client_host(host: str) -> str:
    """Where a client of this machine reaches a server that listens on `host`: loopback, where it listens on every interface."""
    literal = _literal(host)
    if literal is None or not literal.is_unspecified:
        return host
    return LOOPBACK if literal.version == 4 else LOOPBACK_V6


def is_literal(host: str) -> bool:
    """Whether `host` is an address, which needs no look-up."""
    return _literal(host) is not None


def is_v6(host: str) -> bool:
    """Whether `host` is an IPv6 address."""
    literal = _literal(host)
    return literal is not None and literal.version == 6


def check_host(text: str) -> str:
    """`text` if it is a host. Raises ValueError that says what would be right."""
    if is_literal(text):
        return text
    if text.startswith("[") and text.endswith("]") and is_literal(text[1:-1]):
        raise ValueError(f"{text!r}: an address without a port takes no brackets; write {text[1:-1]}")
    if "://" in text or "/" in text or re.fullmatch(r"(\[.*\]|[^:]*):\d+", text):
        raise ValueError(f"{text!r} has more than a host; expected a name or an address, such as {LOOPBACK} or {LOOPBACK_V6}")
    if not _NAME.fullmatch(text) or len(text) > 253 or re.fullmatch(r"[\d.]+", text):
        raise ValueError(f"{text!r} is neither a name nor an address; expected one such as {LOOPBACK}, {LOOPBACK_V6} or host.example.com")
    return text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**16


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
