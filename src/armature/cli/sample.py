"""`armature sample`: what nodes show of themselves, second by second. Plans run it while load runs."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from armature import address
from armature.address import Address
from armature.cli.options import Parser
from armature.errors import UserError
from armature.recording import LineFile, Losses

DESCRIPTION = """\
Sample /metrics of nodes, their processes' CPU and memory, and GPUs into a file (docs/reference/records.md) until SIGTERM or Ctrl-C.
"""


def parser() -> Parser:
    p = Parser(prog="armature sample", description=DESCRIPTION)
    p.add_argument("--target", action="append", default=[], metavar="NODE=HOST:PORT", help="a process with /metrics; may be repeated")
    p.add_argument("--processes", type=Path, metavar="DIR", help="sample CPU and memory of processes whose TMPDIR is DIR/NODE")
    p.add_argument("--gpus", action="store_true", help="sample GPUs through NVML (nvidia-ml-py)")
    p.add_argument("--every-s", type=float, default=1.0, metavar="S", help="sample interval in seconds (default: %(default)g)")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to append samples to")
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)
    if not a.every_s > 0:
        raise UserError(f"--every-s {a.every_s:g}: expected more than 0")

    from armature.bench.sampler import Gpus, Processes, Source, Target, sample

    sources: list[Source] = [Target(*read_target(text)).samples for text in a.target]
    if a.processes:
        sources.append(Processes(a.processes).samples)
    if a.gpus:
        try:
            sources.append(Gpus().samples)
        except RuntimeError as e:
            print(f"GPUs are not sampled: {e}", file=sys.stderr, flush=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    losses = Losses()
    try:
        a.out.parent.mkdir(parents=True, exist_ok=True)
        out = LineFile.at(a.out)
    except OSError as e:
        raise UserError(f"--out {a.out}: cannot be written: {e.strerror}") from None
    print(f"sampling {len(sources)} sources every {a.every_s:g} s into {a.out}", flush=True)
    sample(sources, out, a.every_s, ended.wait, losses)
    losses.keep("samples", out.close)
    losses.tell()
    return 0


def read_target(text: str) -> tuple[str, Address]:
    """NODE=HOST:PORT. Raises UserError."""
    node, _, at = text.partition("=")
    try:
        return _named(node), address.parse(at)
    except ValueError as e:
        raise UserError(f"{text!r} is not a target: {e}", where="--target", expected="NODE=HOST:PORT") from None


def _named(node: str) -> str:
    if not node:
        raise ValueError("the node is missing")
    return node
