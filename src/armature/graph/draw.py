"""Pictures of a plan: Graphviz's dot, Mermaid, SVG."""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Callable, Mapping

from armature.errors import UserError
from armature.graph.plan import Plan, PlannedNode


def draw(plan: Plan, form: str) -> str:
    """The plan as text in `form`: dot, mermaid or svg. An arrow points from a node to what waits for it.

    Raises UserError when svg is asked for and Graphviz is not installed.
    """
    return FORMS[form](plan)


def dot(plan: Plan) -> str:
    """Graphviz's language: services are boxes, tasks are notes."""
    lines = [
        f"digraph {_quoted(plan.name)} {{",
        "  rankdir=LR;",
        '  node [fontname="Helvetica", fontsize=11, style="rounded,filled", fillcolor="#eef3fb", color="#3b5b92", shape=box];',
        '  edge [color="#7a869a", fontname="Helvetica", fontsize=9];',
    ]
    for node in plan.nodes:
        extra = ', shape=note, style=filled, fillcolor="#f7f3e3", color="#8a7a3b"' if node.kind == "task" else ""
        lines.append(f'  "{node.name}" [label={_quoted(*_caption(plan, node))}{extra}];')
    lines += [f'  "{need}" -> "{node.name}" [label="{_edge(plan[need])}"];' for node in plan.nodes for need in node.needs]
    return "\n".join([*lines, "}", ""])


def mermaid(plan: Plan) -> str:
    """Mermaid's flowchart, as Markdown viewers draw it: services are boxes, tasks are rounded."""
    lines = ["flowchart LR"]
    for node in plan.nodes:
        text = "<br/>".join(html.escape(line) for line in _caption(plan, node))
        shape = f'(["{text}"])' if node.kind == "task" else f'["{text}"]'
        lines.append(f"  {_id(node.name)}{shape}")
    lines += [f"  {_id(need)} -->|{_edge(plan[need])}| {_id(node.name)}" for node in plan.nodes for need in node.needs]
    return "\n".join([*lines, ""])


def svg(plan: Plan) -> str:
    """A drawing made by Graphviz's `dot` program."""
    program = shutil.which("dot")
    if not program:
        raise UserError(
            "--draw svg needs Graphviz, and there is no `dot` on the PATH",
            fix="install it (apt-get install graphviz, or nix develop), or use --draw mermaid",
        )
    return subprocess.run([program, "-Tsvg"], input=dot(plan), capture_output=True, text=True, check=True).stdout


FORMS: Mapping[str, Callable[[Plan], str]] = {"dot": dot, "mermaid": mermaid, "svg": svg}


def _caption(plan: Plan, node: PlannedNode) -> list[str]:
    ports = ", ".join(
        f"{name} {block.first}" + (f"-{block.first + block.count - 1}" if block.count > 1 else "") for name, block in node.ports.items()
    )
    gpus = f"GPU {', '.join(map(str, node.gpus))}" if node.gpus else ""
    host = f"on {node.host}" if len(plan.hosts) > 1 else ""
    return [text for text in (node.name, node.label, ports, gpus, host) if text]


def _quoted(*lines: str) -> str:
    """A string of Graphviz's language, whatever the lines hold."""
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'


def _edge(need: PlannedNode) -> str:
    """What must be true of `need` before a node that needs it starts."""
    return "done" if need.kind == "task" else "ready"


def _id(name: str) -> str:
    return name.replace("_", "__").replace("-", "_")  # names have single separators: see naming.NODE_NAME
