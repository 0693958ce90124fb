"""`armature profile`: look at nodes in detail in the steady part of a load. Plans run it beside the load."""

from __future__ import annotations

from pathlib import Path

from armature import profiles
from armature.cli.options import Parser

DESCRIPTION = "Profile nodes: {}. With --load, it waits for the load's warm-up to end."


def parser() -> Parser:
    kinds = [kind for kind in profiles.every() if kind.beside_load]
    p = Parser(prog="armature profile", description=DESCRIPTION.format("; ".join(f"{kind.name}: {kind.summary}" for kind in kinds)))
    p.add_argument("kind", choices=[kind.name for kind in kinds])
    p.add_argument("--node", action="append", required=True, metavar="NODE", help="a node to profile; may be repeated")
    p.add_argument("--tmp", type=Path, required=True, metavar="DIR", help="the folder of the nodes' TMPDIRs (plan.json: tmp_dir)")
    p.add_argument("--gpus", action="store_true", help="also trace GPUs")
    p.add_argument("--load", type=Path, metavar="DIR", help="the load's records, to wait for its warm-up (default: start at once)")
    p.add_argument("--after-s", type=float, default=0.0, metavar="S", help="start S seconds after the warm-up (default: %(default)g)")
    p.add_argument("--seconds", type=float, default=5.0, metavar="S", help="seconds to record (default: %(default)g)")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder: DIR/NODE/")
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)

    from armature.bench import profiling
    from armature.bench.profiling.taking import Taking, wait_until_steady

    module = profiling.load(a.kind)
    if a.load:
        wait_until_steady(a.load, a.after_s)
    files = module.take(Taking(tuple(a.node), a.tmp, a.seconds, a.out, a.gpus))
    print("\n".join(f"wrote {file}" for file in files))
    return 0
