"""The server's address: read from a URL, written into requests."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


class AddressError(Exception):
    """The server's URL is not one."""


@dataclass(frozen=True)
class Server:
    """Where requests go. host: an IPv6 address has no brackets here. base: what a path is put after."""

    host: str
    port: int
    tls: bool
    base: str

    @classmethod
    def of(cls, url: str) -> Server:
        """Raises AddressError."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as e:
            raise AddressError(f"{url!r} is not a server URL: {e}; write an IPv6 address in brackets, as in http://[::1]:8000") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AddressError(f"{url!r} is not a server URL: expected http://HOST:PORT")
        return cls(parts.hostname, port, parts.scheme == "https", parts.path.rstrip("/").removesuffix("/v1"))

    @property
    def authority(self) -> str:
        """HOST:PORT, as requests name it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
