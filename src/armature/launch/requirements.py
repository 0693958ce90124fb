"""Whether the nodes of a plan have the modules and native libraries that they require: asked of their own interpreters."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from armature import env
from armature.errors import UserError
from armature.graph.plan import PlannedNode
from armature.packages import how_to_install_libraries, how_to_install_module

FINDING = Path(__file__).with_name("finding.py")
ANSWER_S = 60.0  # an interpreter on a slow disk, on a busy host

Environment = Callable[[PlannedNode], Mapping[str, str]]


@dataclass
class _Asked:
    """Nodes with one interpreter, in one environment as far as it decides what is found."""

    python: tuple[str, ...]
    environ: Mapping[str, str]
    nodes: list[PlannedNode] = field(default_factory=list)

    @property
    def modules(self) -> list[str]:
        return list(dict.fromkeys(m for node in self.nodes for m in node.requires.modules))

    @property
    def libraries(self) -> list[str]:
        return list(dict.fromkeys(name for node in self.nodes for name in node.requires.libraries))


def missing(nodes: Iterable[PlannedNode], environment: Environment) -> Iterator[UserError]:
    """An error for each interpreter that lacks modules, and for each in which libraries cannot be loaded."""
    asked: dict[object, _Asked] = {}
    for node in nodes:
        if node.requires.modules or node.requires.libraries:
            environ = environment(node)
            key = (node.requires.python, *(environ.get(name) for name in env.FINDING))
            asked.setdefault(key, _Asked(node.requires.python, environ)).nodes.append(node)
    # One that is not there is a program that is missing, and said as such.
    there = [each for each in asked.values() if shutil.which(each.python[0], path=each.environ.get("PATH"))]
    with ThreadPoolExecutor(max(1, len(there))) as pool:
        for each, found in zip(there, pool.map(_ask, there), strict=True):
            yield from _errors(each, found)


def _errors(asked: _Asked, found: Mapping[str, list[str] | dict[str, str]] | str) -> Iterator[UserError]:
    if isinstance(found, str):
        yield UserError(f"{_names(asked.nodes)}: {asked.python[0]} cannot list its installed packages: {found}")
        return
    if modules := list(found["modules"]):
        users = [node for node in asked.nodes if set(modules) & set(node.requires.modules)]
        words = dict.fromkeys(w for m in modules if (w := how_to_install_module(m)))
        yield UserError(
            f"{_names(users)}: {_are('Python module', modules)} not installed in {asked.python[0]}", fix="; ".join(words) or None
        )
    if libraries := list(found["libraries"]):
        users = [node for node in asked.nodes if set(libraries) & set(node.requires.libraries)]
        yield UserError(f"{_names(users)}: {_are('native library', libraries)} not installed", fix=how_to_install_libraries(libraries))


def _ask(asked: _Asked) -> Mapping[str, list[str] | dict[str, str]] | str:
    """What is missing, or why that could not be found out."""
    order = json.dumps({"modules": asked.modules, "libraries": asked.libraries})
    try:
        done = subprocess.run(
            [*asked.python, str(FINDING)], input=order, env=dict(asked.environ), capture_output=True, text=True, timeout=ANSWER_S
        )
        found: Mapping[str, list[str] | dict[str, str]] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"modules": [], "libraries": {}}  # nothing is known to be missing
    except OSError as e:
        return e.strerror or str(e)
    except ValueError:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return found


def _names(nodes: Iterable[PlannedNode]) -> str:
    names = [node.name for node in nodes]
    return f"node{'s' * (len(names) > 1)} {', '.join(names)}"


def _are(kind: str, names: list[str]) -> str:
    many = kind.replace("library", "libraries") if kind.endswith("library") else kind + "s"
    return f"{kind} {names[0]} is" if len(names) == 1 else f"{many} {', '.join(names)} are"
