"""The commands of a plan that watches itself, pasted into a shell one after the other."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import yaml

from armature.cli.paste import command
from armature.config.compose import compose
from armature.config.modelref import locate
from armature.graph import rules
from armature.graph.place import place
from armature.graph.plan import Plan
from armature.graph.site import this_machine
from support.answering import answers
from support.prometheus import eventually
from support.serving import environment


def observed(root: Path) -> Plan:
    deployment = compose(["model=tiny-qwen3", "observe=prometheus"]).deployment
    return place(rules.build(deployment, locate(deployment.model, root)), replace(this_machine("observed", 0), run_dir=root / "run"))


def test_the_task_and_the_server_run_when_pasted(tmp_path: Path) -> None:
    plan = observed(tmp_path)
    task, server = plan["prometheus-config"], plan["prometheus"]
    subprocess.run(command(task, {}), shell=True, check=True, timeout=60, env=environment(tmp_path, tmp_path))
    assert task.task is not None and all(Path(path).is_file() for path in task.task.outputs)
    assert yaml.safe_load(Path(task.task.outputs[0]).read_text())["global"]["scrape_interval"] == "5000ms"
    process = subprocess.Popen(["sh", "-c", f"exec {command(server, {})}"])
    try:
        assert server.ready is not None and server.ready.kind == "http"
        url = server.ready.url
        assert eventually(lambda: answers(url))
    finally:
        process.terminate()
        assert process.wait(30) == 0
