"""Addresses and URLs: IPv4, IPv6 and names are written and read the same way everywhere, and by one module."""

from __future__ import annotations

import ast
import contextlib
import ipaddress
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature import address
from armature.address import Address
from armature.binding import bind_error, look_up
from armature_load.address import AddressError, Server

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,8}){0,2}", fullmatch=True)
HOSTS = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), NAMES)
PORTS = st.integers(1, 2**16 - 1)
ROOT = next(up for up in Path(__file__).absolute().parents if (up / "pyproject.toml").exists())
OWN = {"src/armature/address.py", "loadtests/armature_load/address.py"}  # of two environments


@given(HOSTS, PORTS)
def test_what_is_written_is_read_back(host: str, port: int) -> None:
    at = Address(host, port)
    assert address.parse(str(at)) == at
    assert address.parse_url(at.url("/v1/models?x=1:2")) == at
    parts = urlsplit(at.url("/health"))
    assert (parts.hostname, parts.port, parts.path, parts.netloc) == (host, port, "/health", str(at))
    server = Server.of(at.url("/v1"))
    assert (server.host, server.port, server.authority, server.base) == (host, port, str(at), "")
    assert address.check_host(host) == host


@given(HOSTS)
def test_a_placeholder_is_a_port(host: str) -> None:
    assert address.url(host, "${port:a.b}").replace("${port:a.b}", "80") == Address(host, 80).url()


@given(st.text(max_size=20))
def test_any_text_is_an_address_or_a_valueerror(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert address.parse(text).host


@pytest.mark.parametrize("text", ["", ":", ":80", "a", "a:", "a:x", "::1:80", "[::1]", "[::1]80", "[a]:80", "a:65536", "a:-1"])
def test_addresses_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        address.parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[::1]", "write ::1"),
        ("127.0.0.1:8000", "more than a host"),
        ("[::1]:8000", "more than a host"),
        ("http://a", "more than a host"),
        ("a b", "neither a name nor an address"),
        ("", "neither a name nor an address"),
        ("*", "neither a name nor an address"),
        ("0", "neither a name nor an address"),
        ("1.2.3", "neither a name nor an address"),
        ("1.2.3.400", "neither a name nor an address"),
    ],
)
def test_hosts_that_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        address.check_host(text)


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("0:0:0:0:0:0:0:0", "::1"), ("::1", "::1"), ("10.0.0.5", "10.0.0.5"), ("node-1", "node-1")],
)
def test_where_clients_reach_a_wildcard(host: str, reached_at: str) -> None:
    assert address.client_host(host) == reached_at


@pytest.mark.parametrize("url", ["http://::1:8000", "http://[::1", "ftp://a", "http://", "http://a:x"])
def test_urls_that_the_load_generator_refuses(url: str) -> None:
    with pytest.raises(AddressError, match="not a server URL"):
        Server.of(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_binding_works_in_both_families(host: str) -> None:
    at = look_up(host)
    if at.error or bind_error(at, 0):
        pytest.skip(f"{host} cannot be used on this machine: {at.error or bind_error(at, 0)}")
    with socket.create_server((at.ip, 0), family=socket.AddressFamily(at.family)) as server:
        port = server.getsockname()[1]
        assert bind_error(at, port) is not None
    assert bind_error(at, port) is None


def test_a_host_that_is_none_is_found_out_without_an_exception() -> None:
    assert look_up("nosuch.invalid").error and look_up("x" * 300).error
    assert ipaddress.ip_address(look_up("127.0.0.1").ip).is_loopback


def _sources() -> list[Path]:
    return sorted(f for folder in ("src/armature", "loadtests") for f in (ROOT / folder).rglob("*.py") if "data" not in f.parts)


def _braced(value: ast.expr) -> str:
    assert isinstance(value, ast.FormattedValue)
    return "{" + re.sub(r"[{}]", "", ast.unparse(value.value)) + "}"


# In text whose values stand as {expression}: HOST:PORT, SCHEME://HOST, and a literal host before a port.
_LITERAL = r"(127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1?\]):\$?\{"
_FORMATTED = re.compile(r"\{[^{}]*\}\]?:\$?\{[^{}]*port[^{}]*\}|(?<!file)(?<!ipc)://\{|%s:%d|\{\}:\{\}|" + _LITERAL, re.IGNORECASE)


def formatted_addresses(tree: ast.AST) -> list[int]:
    """The lines that put HOST:PORT, or a URL of both, together by formatting text."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(p.value if isinstance(p, ast.Constant) else _braced(p) for p in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value if "%" in node.value or "{}" in node.value else ""
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and isinstance(node.right, ast.Constant):
            text = "{}:{}" if node.right.value == ":" else ""
        else:
            continue
        if _FORMATTED.search(text):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('f"{host}:{port}"', 1),
        ('f"http://{host}:8000/x"', 1),
        ('f"{LOOPBACK}:${{port:a.b}}"', 1),
        ('f"{name}=127.0.0.1:${{port:{name}.system}}"', 1),
        ('f"http://127.0.0.1:{p}/health"', 1),
        ('f"[{host}]:{self.port}"', 1),
        ('log("ready on http://%s:%d", host, port)', 1),
        ('host + ":" + str(port)', 1),
        ('f"{name}: {port}"', 0),
        ('f"{path}:{line}"', 0),
        ('f"ipc://{folder}/{name}"', 0),
    ],
)
def test_the_search_finds_what_it_looks_for(code: str, found: int) -> None:
    assert len(formatted_addresses(ast.parse(code))) == found


def test_no_other_module_writes_addresses() -> None:
    files = _sources()
    assert len(files) > 150, "the sources are not here"
    others = [f for f in files if str(f.relative_to(ROOT)) not in OWN]
    found = [f"{f.relative_to(ROOT)}:{line}" for f in others for line in formatted_addresses(ast.parse(f.read_text()))]
    assert found == [], "use armature.address (armature_load.address in the load generator)"
