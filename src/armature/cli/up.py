"""`armature up [TOPOLOGY] [OVERRIDE ...]`: compose, plan, start, wait until routable, serve until Ctrl-C."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from armature import env
from armature.cli.load_now import RunsLoad
from armature.cli.options import Parser

if TYPE_CHECKING:  # what plans takes its time to import, and a shell that completes words only asks for the options
    from armature.config.compose import Composed
    from armature.graph.plan import Plan

FORMS = ("dot", "mermaid", "svg")  # as in armature.graph.draw

EXAMPLES = """\
examples:
  armature up agg +model=tiny-qwen3                       serve a tiny model on the CPU
  armature up agg +model=tiny-qwen3 --dry-run             show every process, start nothing
  armature up agg model.path=Qwen/Qwen3-0.6B hardware=cuda
  armature up agg +model=tiny-qwen3 frontend.port=0 topology.roles.worker.replicas=2
  armature up agg +model=tiny-qwen3 --draw svg > graph.svg
"""


def parser(prog: str = "armature up") -> Parser:
    p = Parser(prog=prog, description="Serve a model: one command from a config to running processes.", epilog=EXAMPLES)
    p.add_argument("words", nargs="*", metavar="TOPOLOGY | KEY=VALUE", help="the topology's name, and overrides of any field")
    p.add_argument("--dry-run", action="store_true", help="print what would run, and start nothing")
    p.add_argument("--draw", choices=FORMS, help="print a drawing of the plan, and start nothing")
    p.add_argument("--json", action="store_true", help="print the plan as JSON, and start nothing")
    p.add_argument("--logs", action="store_true", help="show the nodes' output, merged and prefixed with their names")
    return p


def main(argv: list[str]) -> int:
    return run(argv, parser())


def run(argv: list[str], p: Parser, dry_run: bool = False) -> int:
    options, unknown = p.parse_known_intermixed_args(argv)
    p.refuse_options(unknown)
    plan, composed = make_plan([*options.words, *(w for w in unknown if not w.startswith("-"))])
    if options.draw:
        from armature.graph.draw import draw

        print(draw(plan, options.draw), end="")
    elif options.json:
        print(plan.model_dump_json(indent=2))
    elif dry_run or options.dry_run:
        from armature.cli.show_plan import render_plan

        print(render_plan(plan))
    else:
        if sys.platform != "linux":
            print("armature: process supervision relies on Linux; other systems are untested", file=sys.stderr)
        return launch(plan, composed, options.logs)
    return 0


def make_plan(words: Sequence[str], run_dir: Path | None = None) -> tuple[Plan, Composed]:
    """From the user's words to a plan on this machine. Starts and writes nothing. run_dir: None: a new one."""
    from armature.config.compose import compose
    from armature.config.modelref import locate
    from armature.graph import rules
    from armature.graph.place import place
    from armature.graph.site import this_machine

    composed = compose(topology_words(words))
    deployment = composed.deployment
    source = locate(deployment.model, env.caller_dir(), composed.sources.of(("model", "path")))
    graph, hardware = rules.build(deployment, source), deployment.hardware
    site = this_machine(graph.name, hardware.gpus, hardware.cores, env.runs_dir(deployment.run.dir))
    return place(graph, replace(site, run_dir=run_dir) if run_dir else site), composed


def topology_words(words: Sequence[str]) -> list[str]:
    """A bare word that names a topology (or several, with commas) stands for topology=WORD. Raises UserError for other bare words."""
    from armature.config.folder import folders, groups
    from armature.config.overrides import with_topology

    return with_topology(words, groups(*folders()))


def launch(plan: Plan, composed: Composed, logs: bool, **more_records: str) -> int:
    """Run `plan` until it ends; the exit code. more_records: texts that its directory keeps as NAME.json."""
    import asyncio

    from armature.launch import launchers
    from armature.launch.base import Options

    kept = records(plan, composed) | {f"{name}.json": text for name, text in more_records.items()}
    options = Options(logs, kept, RunsLoad(plan.run_dir / "load"))
    return asyncio.run(launchers.launch(composed.deployment.launcher.name, plan, options))


def records(plan: Plan, composed: Composed) -> dict[str, str]:
    """What a run directory keeps beside the plan: the composed deployment, and the host it ran on. File name -> text."""
    from armature.launch.facts import host

    return {
        "deployment.json": composed.deployment.model_dump_json(indent=2),
        "host.json": json.dumps(host(gpus=plan.gpus > 0), indent=2),
    }
