"""Freed memory goes back to the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

# Frees one large block, as any program does some day; then frees 64 that each have a small one behind them. Prints MiB that stay.
PROGRAM = """
import ctypes, os, sys
from armature import memory
if sys.argv[1] == "returned":
    memory.return_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
libc.free(libc.malloc(16 << 20))
before, large = resident(), []
for _ in range(64):
    large.append(libc.malloc(1 << 20))
    ctypes.memset(large[-1], 1, 1 << 20)
    ctypes.memset(libc.malloc(2000), 1, 2000)
for block in large:
    libc.free(block)
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a property of glibc")
@pytest.mark.parametrize(("how", "stays"), [("returned", False), ("as it is", True)])
def test_large_blocks_are_returned_although_small_ones_stay(how: str, stays: bool) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    environ["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    said = subprocess.run([sys.executable, "-c", PROGRAM, how], env=environ, capture_output=True, text=True, check=True)
    assert (float(said.stdout) > 32) == stays, said.stdout
