"""Addresses of servers that the user runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator

from armature import address


def _no_list(value: Any) -> Any:
    """Hydra reads brackets as a list."""
    if isinstance(value, list) and len(value) == 1:
        raise ValueError(f"an address without a port takes no brackets; write {value[0]}")
    return value


# A name or an address, without a port. A look-up is the launcher's; see `armature.launch.preflight`.
Host = Annotated[str, BeforeValidator(_no_list), AfterValidator(address.check_host)]


def check_server_url(text: str, schemes: Sequence[str], login: str) -> str:
    """`text`, if it is SCHEME://HOST:PORT with one of `schemes`. login: where a user name and a password belong instead.

    Raises ValueError that says what is wrong and what would be right.
    """
    example = address.url(address.LOOPBACK, 4222 if "nats" in schemes else 2379, scheme=schemes[0])
    parts = _parts(text, example, f"; set {login} in the environment")
    if parts.scheme not in schemes:
        raise ValueError(f"{text!r} has no known scheme; expected {' or '.join(f'{s}://' for s in schemes)}, such as {example}")
    if not parts.hostname:
        raise ValueError(f"{text!r} has no host; expected one such as {example}")
    if not parts.port:
        raise ValueError(f"{text!r} has no port; expected one such as {example}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r} has more than scheme, host and port; expected one such as {example}")
    return text


def check_http_url(text: str) -> str:
    """`text` without its last slash, if it is http(s)://HOST[:PORT][/PATH]. Raises ValueError that says what would be right."""
    example = address.url(address.LOOPBACK, 8000)
    parts = _parts(text, example)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not the address of a server; expected one such as {example}")
    return text.rstrip("/").removesuffix("/v1")


def _parts(text: str, example: str, instead: str = "") -> SplitResult:
    """The parts of an address, its port a number if there is one. Raises ValueError for a password, too. instead: where that belongs."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as e:
        raise ValueError(f"{text!r} is not the address of a server ({e}); expected one such as {example}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"an address must not hold a password: plans and logs show it{instead}")
    return parts
