"""Server-sent events, read as they come."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """name: of the event, None as usual. data: its payload, undecoded. A comment counts only as an error's text."""

    name: bytes | None
    data: bytes


class SseParser:
    """Bytes in, whole events out. Pieces may end anywhere: within a line, a line end or a character."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """What has come of an event that is not whole."""
        return self._rest

    def feed(self, piece: bytes) -> list[Event]:
        """The events that `piece` completes."""
        if not self._rest and piece.startswith(b"data: ") and piece.endswith(b"\n\n") and piece.count(b"\n") == 2 and b"\r" not in piece:
            return [Event(None, piece[6:-2])]  # what nearly every piece is
        text = self._rest + piece
        if b"\r" in text:
            held = text.endswith(b"\r")  # its \n may be yet to come
            text = text.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + (b"\r" if held else b"")
        *blocks, self._rest = text.split(b"\n\n")
        return [event for block in blocks if (event := _event(block))]


def _event(block: bytes) -> Event | None:
    name, data, comment = None, [], b""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
        elif not field:
            comment = value
    if not data and name != b"error":
        return None
    return Event(name, b"\n".join(data) if data else comment)
