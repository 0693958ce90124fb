"""`armature observe`: write what Prometheus reads. Plans run it as a task."""

from __future__ import annotations

from pathlib import Path

from armature import address
from armature.cli.options import Parser
from armature.errors import UserError
from armature.telemetry.scrape import Target, write

DESCRIPTION = """\
Write prometheus.yml (targets) and alerts.yml (alerting rules).
"""


def parser() -> Parser:
    p = Parser(prog="armature observe", description=DESCRIPTION)
    p.add_argument("--target", action="append", required=True, metavar="NODE=ROLE,HOST:PORT", help="one process; may be repeated")
    p.add_argument("--scrape-s", type=float, default=5.0, metavar="S", help="scrape interval in seconds (default: %(default)g)")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of both files")
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)
    write(a.out, [read_target(text) for text in a.target], a.scrape_s)
    return 0


def read_target(text: str) -> Target:
    """NODE=ROLE,HOST:PORT. Raises a UserError."""
    node, _, rest = text.partition("=")
    role, _, at = rest.partition(",")
    try:
        if not (node and role):
            raise ValueError("node or role is missing")
        return Target(node, role, str(address.parse(at)))
    except ValueError as e:
        raise UserError(f"{text!r} is not a target: {e}", where="--target", expected="NODE=ROLE,HOST:PORT") from None
