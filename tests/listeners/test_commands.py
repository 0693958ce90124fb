"""The commands of a served deployment: on where they were asked for, and a token that nobody else can read."""

from __future__ import annotations

import json
import os
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from armature import control
from support.deployed import Served, serve
from support.serving import processes_of, tell

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A pair, whose plan gives commands itself, and the user, who may give all."""
    with serve(tmp_path_factory.mktemp("commands"), tmp_path_factory.mktemp("cache"), "disagg", "worker.control=true") as found:
        yield found


def folder(served: Served, node: str) -> Path:
    return Path(served.up.plan["tmp_dir"]) / node / "control"


def worker_nodes(served: Served) -> list[dict[str, Any]]:
    return [node for node in served.up.plan["nodes"] if "system" in node["ports"]]


def test_commands_are_heard(served: Served) -> None:
    for node in worker_nodes(served):
        assert tell(served.up, node["name"], "load", {})["ranks"][0]["total_tokens"] > 0


def test_a_trace_is_written_below_the_run_and_nowhere_else(served: Served, tmp_path: Path) -> None:
    for wrong in (str(tmp_path), "../elsewhere", "/etc"):
        with pytest.raises(control.Refused, match="below"):
            tell(served.up, "decode-0", "profile/start", {"folder": wrong})
    where = served.up.run_dir / "results" / "by-hand"
    assert tell(served.up, "decode-0", "profile/start", {"folder": "results/by-hand"}) == {}
    served.client.completions.create(model=served.model, prompt="while traced", max_tokens=4)
    assert tell(served.up, "decode-0", "profile/stop", {}) == {}
    assert list(where.glob("*.trace.json*")) and list(tmp_path.iterdir()) == []


def test_the_token_is_in_its_file_alone(served: Served) -> None:
    """In no command line, no environment, no plan, no record and no log; and its file is its owner's."""
    tokens = [(folder(served, node["name"]) / control.TOKEN).read_text() for node in worker_nodes(served)]
    assert len(set(tokens)) == len(tokens) == 2
    for node in worker_nodes(served):
        at = folder(served, node["name"])
        assert stat.S_IMODE(at.stat().st_mode) == 0o700 and stat.S_IMODE((at / control.TOKEN).stat().st_mode) == 0o600
    texts = {str(file): file.read_bytes() for file in served.up.runs.rglob("*") if file.is_file()}
    texts["the launcher's output"] = served.up.output.read_bytes()
    for process in processes_of(served.up):
        for name in ("cmdline", "environ"):
            texts[f"{process.pid} {name}"] = Path(f"/proc/{process.pid}/{name}").read_bytes()
    assert len(texts) > 10
    assert [name for name, text in texts.items() if any(token.encode() in text for token in tokens)] == []


@pytest.mark.parametrize("path", ["/engine/load", "/engine/profile/start", "/engine/profile/stop", "/engine/pair/probe", "/v1/loras"])
def test_the_system_port_takes_no_command(served: Served, path: str) -> None:
    for node in worker_nodes(served):
        url = f"http://127.0.0.1:{node['ports']['system']['first']}{path}"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, json.dumps({}).encode(), {"content-type": "application/json"}), timeout=10)
        assert caught.value.code in (404, 405)


def test_without_being_asked_for_no_worker_takes_any(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serve(tmp_path, tmp_path_factory.mktemp("cache"), "agg") as plain:
        assert not any(name == "control" for _, folders, _ in os.walk(plain.up.plan["tmp_dir"]) for name in folders)
        with pytest.raises(FileNotFoundError):
            tell(plain.up, "worker-0", "load", {})
