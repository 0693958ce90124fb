"""What a process has listed in the file discovery stays listed for as long as it lives.

The runtime takes a process whose entries are 10 s old for dead, and removes them; it never lists again what was removed. So a
machine that slept, or was too busy for 10 s, would have workers that live and that nobody asks any more. Here a process looks whether
its own entries are there, and puts back those that are missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

LOOK_S = 1.0
ENDPOINTS = "instances"  # the runtime's kind of entries by which requests find an endpoint

logger = logging.getLogger(__name__)


class Listing:
    """The entries of one instance. folder: the discovery's. wanted: whether entries of a kind, such as `instances`, shall be there."""

    def __init__(self, folder: Path, instance: int, wanted: Callable[[str], bool]) -> None:
        self._folder, self._instance, self._wanted = folder, instance, wanted
        self._entries: dict[Path, bytes] = {}

    async def keep(self) -> None:
        """Put back what is missing, until cancelled. Errors are logged."""
        while True:
            try:
                if restored := self.restore():
                    logger.warning("%d entries of this process had expired in discovery; registered again", restored)
            except OSError as e:
                logger.warning("the discovery folder %s cannot be read or written: %s", self._folder, e.strerror)
            await asyncio.sleep(LOOK_S)

    def restore(self) -> int:
        """One look. Returns how many entries were put back."""
        for path in self._folder.glob(f"v1/*/*%2F{self._instance:x}"):
            if path not in self._entries:
                with contextlib.suppress(FileNotFoundError):  # it went meanwhile
                    self._entries[path] = path.read_bytes()
        restored = 0
        for path, content in list(self._entries.items()):
            if not self._wanted(path.parent.name):
                del self._entries[path]
            elif not path.exists():
                self._put(path, content)
                restored += 1
        return restored

    def _put(self, path: Path, content: bytes) -> None:
        """The entry appears whole: whoever watches the folder reads it at once."""
        new = self._folder / f".{self._instance:x}.new"
        new.write_bytes(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        new.replace(path)
