"""`armature plan [TOPOLOGY] [OVERRIDE ...]`: print the plan and start nothing."""

from __future__ import annotations

from armature.cli.up import parser, run


def main(argv: list[str]) -> int:
    return run(argv, parser("armature plan"), dry_run=True)
