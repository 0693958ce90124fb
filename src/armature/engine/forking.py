"""SGLang's processes as forks of this one, where that is safe: on the CPU, before anything here has computed.

SGLang starts each of its processes as a fresh interpreter, which imports again all that this one has: 10 s of a core for each
rank, of the 15 to 20 s until a small model answers on a laptop. A fork has everything already (docs/decisions/0007-start-of-an-engine.md).
CUDA does not survive a fork, and OpenMP's threads do not either: not after the first tensor operation, and not with a GPU.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def instead_of_spawning() -> Iterator[None]:
    """Meanwhile processes of `multiprocessing` are forks. What they start is forked as well.

    A fork begins as a fresh process would: SIGTERM ends it and garbage is collected, whatever holds for this process. What it
    shares with this process counts as no garbage: a look at it would copy its memory. Main thread only.
    """
    before = multiprocessing.get_start_method()
    inside = [True]  # stays so in the fork

    def as_if_spawned() -> None:
        if inside:
            gc.enable()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)

    os.register_at_fork(after_in_child=as_if_spawned)
    gc.freeze()
    multiprocessing.set_start_method("fork", force=True)
    try:
        yield
    finally:
        inside.clear()
        multiprocessing.set_start_method(before, force=True)
