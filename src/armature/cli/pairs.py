"""`armature pairs`: let one real token go through every pair of prefill and decode workers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

from armature import address
from armature.cli.options import Parser
from armature.errors import UserError
from armature.launch.pairs import DecodeAt, PairResult, PrefillAt, probe

DESCRIPTION = """\
Try every prefill worker with every decode worker: each pair must transfer one KV cache and generate one token.
Exits with 1 if a pair fails, and prints each worker's reason.
"""


def parser() -> Parser:
    p = Parser(prog="armature pairs", description=DESCRIPTION)
    p.add_argument(
        "--prefill",
        action="append",
        required=True,
        metavar="NAME=FOLDER,BOOTSTRAP",
        help="a prefill worker: its control folder and host:port; may be repeated",
    )
    p.add_argument("--decode", action="append", required=True, metavar="NAME=FOLDER", help="a decode worker; may be repeated")
    p.add_argument("--timeout-s", type=float, default=60.0, metavar="S", help="seconds for one pair (default: %(default)g)")
    p.add_argument("--out", type=Path, metavar="FILE", help="file for the results, as JSON")
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)
    prefill, decode = [read_prefill(text) for text in a.prefill], [read_decode(text) for text in a.decode]
    results = asyncio.run(_probe_all(prefill, decode, a.timeout_s))
    if a.out:
        a.out.parent.mkdir(parents=True, exist_ok=True)
        a.out.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")
    return 0 if all(r.error is None for r in results) else 1


async def _probe_all(prefill: list[PrefillAt], decode: list[DecodeAt], timeout_s: float) -> list[PairResult]:
    """One pair after the other: a cold engine may compile, and does it once."""
    results = []
    for p in prefill:
        for d in decode:
            results.append(await probe(p, d, timeout_s))
            print(line(results[-1]), flush=True)
    return results


def line(r: PairResult) -> str:
    """A result as a line of text."""
    return f"{r.prefill} -> {r.decode}: " + (f"a token in {r.seconds * 1e3:.0f} ms" if r.error is None else f"no token: {r.error}")


def read_prefill(text: str) -> PrefillAt:
    """NAME=FOLDER,BOOTSTRAP. Raises a UserError."""
    name, _, places = text.partition("=")
    folder, _, bootstrap = places.rpartition(",")
    try:
        meet = address.parse(bootstrap)
    except ValueError as e:
        raise UserError(f"{text!r} does not name a prefill worker: {e}", where="--prefill", expected="NAME=FOLDER,HOST:PORT") from None
    if not (name and folder):
        raise UserError(f"{text!r} does not name a prefill worker", where="--prefill", expected="NAME=FOLDER,HOST:PORT")
    return PrefillAt(name, Path(folder), meet.host, meet.port)


def read_decode(text: str) -> DecodeAt:
    """NAME=FOLDER. Raises a UserError."""
    name, _, folder = text.partition("=")
    if not (name and folder):
        raise UserError(f"{text!r} does not name a decode worker", where="--decode", expected="NAME=FOLDER")
    return DecodeAt(name, Path(folder))
