"""Addresses of servers that the user runs."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit


def check_server_url(text: str, schemes: Sequence[str], login: str) -> str:
    """`text`, if it is SCHEME://HOST:PORT with one of `schemes`. login: where a user name and a password belong instead.

    Raises ValueError that says what is wrong and what would be right.
    """
    example = f"{schemes[0]}://127.0.0.1:{'4222' if 'nats' in schemes else '2379'}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as e:
        raise ValueError(f"{text!r} is not the address of a server ({e}); expected one such as {example}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"an address must not hold a password: plans and logs show it; set {login} in the environment")
    if parts.scheme not in schemes:
        raise ValueError(f"{text!r} begins with no known scheme; expected {' or '.join(f'{s}://' for s in schemes)}, such as {example}")
    if not parts.hostname:
        raise ValueError(f"{text!r} names no host; expected one such as {example}")
    if not port:
        raise ValueError(f"{text!r} names no port; expected one such as {example}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r} says more than scheme, host and port; expected one such as {example}")
    return text


def check_http_url(text: str) -> str:
    """`text` without its last slash, if it is http(s)://HOST[:PORT][/PATH]. Raises ValueError that says what would be right."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as e:
        raise ValueError(f"{text!r} is not the address of a server ({e}); expected one such as http://127.0.0.1:8000") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address must not hold a password: plans and logs show it")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not the address of a server; expected one such as http://127.0.0.1:8000")
    return text.rstrip("/").removesuffix("/v1")
