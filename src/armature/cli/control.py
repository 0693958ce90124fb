"""`armature control RUN NODE ROUTE [JSON]`: give a worker a command, such as `profile/start`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from armature.cli.options import Parser
from armature.errors import UserError

DESCRIPTION = """\
Send a command to a worker of a run and print its answer. Workers accept commands in runs with worker.control=true.

  load            running and waiting requests, and tokens in the KV cache, of each rank
  profile/start   {"folder": "results/profile/NODE", "gpus": false}: start a trace, written to this folder of the run
  profile/stop    stop it and write it
  kv/check        compare the router's index with the engine's cache, and repair it
"""


def parser() -> Parser:
    p = Parser(prog="armature control", description=DESCRIPTION)
    p.add_argument("run", metavar="RUN", help="a run's directory, <name>/<id>, or the beginning of an id")
    p.add_argument("node", metavar="NODE", help="a worker of the run")
    p.add_argument("route", metavar="ROUTE", help="the command")
    p.add_argument("body", nargs="?", default="{}", metavar="JSON", help="arguments of the command (default: %(default)s)")
    p.add_argument("--timeout-s", type=float, default=300.0, metavar="S", help="seconds to wait for the answer (default: %(default)g)")
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)

    from armature import control
    from armature.bench.runs import find

    folder = control_folder(find([a.run])[0].path, a.node)
    try:
        print(json.dumps(control.call(folder, a.route, read_body(a.body), a.timeout_s), indent=1))
    except control.Refused as e:
        raise UserError(f"{a.node} refused {a.route}: {e}") from None
    except FileNotFoundError:
        raise UserError(
            f"{a.node} takes no commands", expected="a serving run with worker.control=true", fix="start it with worker.control=true"
        ) from None
    except OSError as e:
        raise UserError(f"{a.node} does not answer: {e}") from None
    return 0


def control_folder(run: Path, node: str) -> Path:
    """Where a node of a run takes commands. Raises UserError when there is no such node."""
    from armature.bench.runs import Run
    from armature.errors import nearest

    plan = Run(run).plan
    names = [n.name for n in plan.nodes] if plan else []
    if plan is None or node not in names:
        guess = nearest(node, names)
        raise UserError(
            f"the run has no node {node!r}", expected=f"one of {', '.join(names)}", fix=f"did you mean {guess!r}?" if guess else None
        )
    return plan.tmp_dir / node / "control"


def read_body(text: str) -> dict[str, Any]:
    """A JSON object. Raises UserError."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UserError(f"{text!r} is not a JSON object", where="JSON", expected='such as \'{"folder": "results/profile"}\'')
    return body
