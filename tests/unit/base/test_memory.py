"""Freed memory goes back to the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from armature import memory

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


@pytest.mark.parametrize(
    ("settled", "now", "judged"),
    [(100, 100, (100, False)), (100, 115, (100, False)), (100, 116, (100, True)), (100, 90, (90, False))],
    ids=["constant", "grown by less", "grown", "shrunk"],
)
def test_heaps_are_visited_when_the_process_has_grown(settled: int, now: int, judged: tuple[int, bool]) -> None:
    assert memory.judge(settled, now, grown=16) == judged


async def test_a_process_that_grows_returns_what_it_freed_and_then_grows_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, seen = iter([100, 130, 110, 120, 127, 110]), list[int]()
    monkeypatch.setattr(memory, "resident", lambda: seen.append(size := next(sizes)) or size)
    returned: list[int] = []
    monkeypatch.setattr(memory, "return_all", lambda: returned.append(seen[-1]))
    with pytest.raises(RuntimeError):  # the sizes are over
        await memory.keep_returning(look_s=0, grown=16)
    assert returned == [130, 127]
