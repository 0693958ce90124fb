"""Freed memory goes back to the system.

glibc serves large blocks from mappings of their own, until the program frees one: from then on it serves blocks of that size, up to
32 MiB, from its heaps. A heap shrinks only from its end, so that one small block keeps megabytes of freed ones. A server whose
requests differ in size then grows for hours.
"""

from __future__ import annotations

import ctypes

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
