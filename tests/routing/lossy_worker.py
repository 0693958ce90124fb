"""`armature worker` that loses KV events on their way from the engine, as a full socket would.

    python lossy_worker.py TRIGGER [words of `armature worker`]

Whenever TRIGGER (a file with a number) appears, so many of the batches that come next are thrown away as they come in, and
the file is removed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio


def lose(trigger: Path) -> None:
    """Make this process's subscribers lose what the trigger says."""
    receive: Any = zmq.asyncio.Socket.recv_multipart
    left = 0

    async def lossy(self: zmq.asyncio.Socket, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        while True:
            parts = await receive(self, *args, **kwargs)
            if self.type != zmq.SUB:
                return parts
            if trigger.exists():
                left = int(trigger.read_text())
                trigger.unlink()
            if left == 0:
                return parts
            left -= 1

    zmq.asyncio.Socket.recv_multipart = lossy  # type: ignore[assignment]


if __name__ == "__main__":  # engines start processes that import this module
    from armature.cli.worker import main

    lose(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
