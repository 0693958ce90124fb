"""Mooncake takes a KV cache of many pieces, also while it sends others, in the parts that `engine.scheduler.transfers` makes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.engine

PIECES, LENGTH, AT_ONCE = 20_000, 32, 4
# Sends PIECES pieces to another process, AT_ONCE times at a time, with `split` or without it.
PROGRAM = """
import os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from armature.engine.scheduler import transfers
PIECES, LENGTH, AT_ONCE = {pieces}, {length}, {at_once}

def engine():
    from mooncake.engine import TransferEngine
    made, memory = TransferEngine(), np.full(PIECES * 2 * LENGTH, len(sys.argv) > 2, np.uint8)
    assert made.initialize("127.0.0.1", "P2PHANDSHAKE", "tcp", "") == 0
    assert made.register_memory(memory.ctypes.data, memory.nbytes) == 0
    return made, memory

if sys.argv[1] == "receive":
    made, memory = engine()
    print("AT", made.get_rpc_port(), memory.ctypes.data, flush=True)
    sys.stdin.readline()
    print("GOT", int(memory.sum()), flush=True)
    os._exit(0)

if sys.argv[1] == "split":
    from armature.engine.cpu import activate
    activate()
    transfers.install()
peer = subprocess.Popen([sys.executable, __file__, "receive"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
port, there = next(map(int, line.split()[1:]) for line in peer.stdout if line.startswith("AT"))
made, memory = engine()
offsets = [2 * LENGTH * i for i in range(PIECES)]  # with gaps: none can be joined to the next
columns = [memory.ctypes.data + o for o in offsets], [there + o for o in offsets], [LENGTH] * PIECES
write = lambda *part: made.batch_transfer_sync_write(f"127.0.0.1:{{port}}", *part)
send = (lambda: transfers.parts(write, *columns)) if sys.argv[1] == "split" else (lambda: write(*columns))
with ThreadPoolExecutor(AT_ONCE) as pool:
    print("SENT", *pool.map(lambda _: send(), range(AT_ONCE)), flush=True)
print(peer.communicate("\\n")[0], flush=True)
os._exit(0)
"""


def sent(tmp_path: object, how: str) -> str:
    program = f"{tmp_path}/program.py"
    with open(program, "w") as f:
        f.write(PROGRAM.format(pieces=PIECES, length=LENGTH, at_once=AT_ONCE))
    environ = os.environ | {"MC_TCP_BIND_ADDRESS": "127.0.0.1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, program, how, "-"], env=environ, capture_output=True, text=True, timeout=100, check=False)
    return done.stdout + done.stderr[-2000:]


def test_mooncake_refuses_it_as_one_batch(tmp_path: object) -> None:
    """When it no longer does, `transfers` can go."""
    assert "SENT -1" in sent(tmp_path, "whole")


def test_all_pieces_arrive_in_parts(tmp_path: object) -> None:
    said = sent(tmp_path, "split")
    assert "SENT" + " 0" * AT_ONCE in said and f"GOT {PIECES * LENGTH}\n" in said, said
