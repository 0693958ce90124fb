"""Freed memory goes back to the system.

glibc serves large blocks from mappings of their own, until the program frees one: from then on it serves blocks of that size, up to
32 MiB, from its heaps. A heap shrinks only from its end, so that one small block keeps megabytes of freed ones. Each thread may have
a heap of its own, and each heap grows to the largest request that its thread ever served. So a server whose requests differ in size
grows for hours.
"""

from __future__ import annotations

import asyncio
import ctypes
import os

LOOK_S = 5.0
GROWN = 16 * 1024 * 1024  # bytes that are worth a visit of all heaps, which takes milliseconds
LARGE = 128 * 1024  # bytes; glibc's own threshold before it adapts
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def return_large_blocks() -> None:
    """Have the C library return each freed block of LARGE bytes or more at once, in this process. No effect without glibc."""
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
        mallopt(_M_TRIM_THRESHOLD, LARGE)


def return_all() -> None:
    """Have the C library return everything that is free now. It visits all heaps. No effect without glibc."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


async def keep_returning(look_s: float = LOOK_S, grown: int = GROWN) -> None:
    """Return freed memory whenever this process has grown by `grown` bytes since it was smallest or last returned any. Never ends.

    A process of constant size is left alone: visiting the heaps holds up the threads that allocate.
    """
    settled = resident()
    while True:
        await asyncio.sleep(look_s)
        settled, too_much = judge(settled, resident(), grown)
        if too_much:
            await asyncio.to_thread(return_all)
            settled = resident()


def judge(settled: int, now: int, grown: int) -> tuple[int, bool]:
    """The smallest size of late, and whether a process of size `now` has grown by `grown` bytes since it had that size."""
    smallest = min(settled, now)
    return smallest, now - smallest >= grown


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
