"""`python -m armature.launch PLAN.json`: run a saved plan."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from pydantic import ValidationError

from armature.errors import UserError
from armature.graph.plan import Plan
from armature.launch.base import Options
from armature.launch.launchers import launch


def load(path: Path) -> Plan:
    """The plan in a file. Raises UserError when there is none."""
    try:
        return Plan.model_validate_json(path.read_bytes())
    except OSError as e:
        raise UserError(f"the plan {path} cannot be read: {e.strerror}", fix="make one with `armature up ... --json > plan.json`") from e
    except ValidationError as e:
        raise UserError(f"{path} is not a plan: {e}", fix="make one with `armature up ... --json > plan.json`") from e


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m armature.launch", description="Run a saved plan.")
    parser.add_argument("plan", type=Path, help="a plan as JSON, e.g. the plan.json of a run directory")
    parser.add_argument("--logs", action="store_true", help="show the nodes' output, merged and prefixed with their names")
    parser.add_argument("--launcher", default="local", metavar="NAME", help="what runs it (default: local)")
    options = parser.parse_args(argv)
    try:
        return asyncio.run(launch(options.launcher, load(options.plan), Options(options.logs)))
    except UserError as e:
        print(f"armature: {e.render()}", file=sys.stderr)
        return e.exit_code


if __name__ == "__main__":
    sys.exit(main())
