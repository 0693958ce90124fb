"""A plan as text: what `--dry-run` prints. Each command can be pasted into a shell that has taken the exports at the top."""

from __future__ import annotations

from collections.abc import Mapping

from armature.cli.paste import command, exports, shared_env
from armature.graph.plan import Plan, PlannedNode, PortBlock
from armature.launch.freshness import why


def render_plan(plan: Plan) -> str:
    """Every node in the order in which it starts: why, with what, and its command line."""
    head = [
        f"plan {plan.name}  {plan.hash}",
        f"run directory  {plan.run_dir}",
        *([f"will serve     {plan.model} at {plan.url}"] if plan.url else []),
        *(f"uses           {server.url} ({server.field})" for server in plan.servers),
        "",
    ]
    shared = shared_env(plan.nodes)
    if lines := exports(shared):
        head += ["# environment of every node: paste this first", *lines, ""]
    return "\n".join([*head, *("\n".join(_node(plan, i, node, shared)) + "\n" for i, node in enumerate(plan.nodes, 1))])


def _node(plan: Plan, number: int, node: PlannedNode, exported: Mapping[str, str]) -> list[str]:
    lines = [f"# {number}. {node.kind} {node.name}" + (f": {node.label}" if node.label else "")]
    if node.needs:
        lines.append(f"#    after    {', '.join(node.needs)}")
    if node.task:
        verdict = why(node)
        lines.append(f"#    {'will run' if verdict.run else 'skipped '} {verdict.reason}")
    if len(plan.hosts) > 1:
        lines.append(f"#    host     {node.host}")
    if node.ports:
        lines.append(f"#    ports    {', '.join(f'{name} {_ports(block)}' for name, block in node.ports.items())}")
    if node.gpus:
        lines.append(f"#    GPUs     {', '.join(map(str, node.gpus))}")
    if needed := _requires(node):
        lines.append(f"#    requires {needed}")
    if node.ready:
        lines.append(f"#    ready    {_ready(node)}")
    return [*lines, command(node, exported)]


def _requires(node: PlannedNode) -> str:
    """What must be on the machine: a plan can be made where it is not."""
    requires = node.requires
    return ", ".join([*requires.programs, *requires.modules, *requires.libraries])


def _ports(block: PortBlock) -> str:
    return str(block.first) if block.count == 1 else f"{block.first}-{block.first + block.count - 1}"


def _ready(node: PlannedNode) -> str:
    probe = node.ready
    assert probe is not None
    match probe.kind:
        case "http":
            what = f"GET {probe.url} answers {probe.status}"
        case "log":
            what = f"its output matches {probe.pattern!r}"
        case "model":
            what = f"{probe.url} lists {probe.model} and has answered one request"
    return f"when {what} (within {probe.timeout_s:g} s)"
