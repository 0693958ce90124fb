"""`armature profile`: look at nodes in detail in the steady part of a load. Plans run it beside the load."""

from __future__ import annotations

from pathlib import Path

from armature.cli.options import Parser
from armature.errors import UserError
from armature.graph import programs

DESCRIPTION = """\
torch: traces of the engines of --target nodes, for Perfetto, and the top operators of each (top.json).
pyspy: flame graphs of the Python processes of --node nodes (SVG). Both wait for the load's warm-up to end.
"""


def parser() -> Parser:
    p = Parser(prog="armature profile", description=DESCRIPTION)
    p.add_argument("kind", choices=["torch", "pyspy"])
    p.add_argument("--target", action="append", default=[], metavar="NODE=FOLDER", help="torch: a worker's control folder")
    p.add_argument("--gpus", action="store_true", help="torch: also trace GPUs")
    p.add_argument("--node", action="append", default=[], metavar="NODE", help="pyspy: a node")
    p.add_argument("--processes", type=Path, metavar="DIR", help="pyspy: the folder of the nodes' TMPDIRs")
    p.add_argument("--load", type=Path, metavar="DIR", help="the load's records, to wait for its warm-up (default: start at once)")
    p.add_argument("--after-s", type=float, default=0.0, metavar="S", help="start S seconds after the warm-up (default: %(default)g)")
    p.add_argument("--seconds", type=float, default=5.0, metavar="S", help="seconds to record (default: %(default)g)")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder: DIR/NODE/")
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)

    from armature.bench.profiling import take

    if a.load:
        take.wait_until_steady(a.load, a.after_s)
    if a.kind == "torch":
        files = take.torch(dict(_read_target(text) for text in a.target), a.seconds, a.out, a.gpus)
    else:
        files = take.pyspy(a.node, a.processes, a.seconds, a.out, programs.find("py-spy"))
    print("\n".join(f"wrote {file}" for file in files))
    return 0


def _read_target(text: str) -> tuple[str, Path]:
    """NODE=FOLDER. Raises UserError."""
    node, _, folder = text.partition("=")
    if not (node and folder):
        raise UserError(f"{text!r} is not a target", where="--target", expected="NODE=FOLDER")
    return node, Path(folder)
