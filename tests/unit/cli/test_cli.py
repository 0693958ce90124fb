"""The command line, run as a process: exit codes, errors, and what planning does not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from armature.cli.up import make_plan, records
from armature.config.schema import Deployment


def armature(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)} | environment
    return subprocess.run(
        [sys.executable, "-P", "-m", "armature", *words], capture_output=True, text=True, env=env, cwd=cwd, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "words", [["--help"], *([c, "--help"] for c in ("up", "plan", "models", "flags", "summarize", "compare", "report", "watch"))]
)
def test_help_is_printed(words: list[str]) -> None:
    out = armature(*words)
    assert (out.returncode, out.stderr) == (0, "")
    assert "usage" in out.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], ""),
        (["upp"], "did you mean `armature up`?"),
        (["up", "agg", "+model=tiny-qwen3", "--dryrun"], "did you mean --dry-run?"),
        (["up", "agg", "+model=tiny-qwen3", "--draw", "png"], "png"),
        (["up", "agg", "+model=tiny-qwen"], "did you mean model=tiny-qwen3?"),
        (["up", "aggg", "+model=tiny-qwen3"], "aggg"),
        (["up", "agg", "model.path=./nowhere"], "no such folder"),
        (["up", "agg", "+model=tiny-qwen3", "engine.args.max_runing_requests=1"], "max_running_requests"),
        (["up", "agg", "+model=qwen3-8b", "hardware=cuda", "topology.roles.worker.gpus=4"], "needs 4 GPUs but hardware.gpus is 1"),
    ],
)
def test_a_mistake_exits_with_2_and_says_what_to_do(words: list[str], text: str) -> None:
    out = armature(*words)
    assert out.returncode == 2
    assert text in out.stderr
    assert "Traceback" not in out.stderr


def test_a_dry_run_starts_and_writes_nothing(tmp_path: Path) -> None:
    out = armature("up", "agg", "+model=tiny-qwen3", "--dry-run", cwd=tmp_path, ARMATURE_CACHE=str(tmp_path / "c"))
    assert out.returncode == 0, out.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["--dry-run", "--json", "--draw=dot"])
def test_planning_imports_no_engine(flag: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from armature.cli import main\n"
        f"assert main(['up', 'agg', '+model=tiny-qwen3', {flag!r}]) == 0\n"
        "heavy = {'torch', 'sglang', 'dynamo', 'transformers', 'numpy', 'plotly', 'pyarrow', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, cwd=tmp_path, check=False)
    assert out.returncode == 0, out.stderr


def test_a_command_whose_packages_are_missing_says_which_extra_has_them(tmp_path: Path) -> None:
    (tmp_path / "run/load").mkdir(parents=True)
    (tmp_path / "run/load/load.json").write_text('{"v": 1, "started": 0, "ended": 1, "end_reason": "count"}')
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError(name='pyarrow')\n")  # found before the real one
    paths = os.pathsep.join([str(tmp_path), *(p for p in sys.path if p)])
    out = armature("summarize", str(tmp_path / "run"), PYTHONPATH=paths)
    assert out.returncode == 2
    assert "armature summarize needs pyarrow" in out.stderr and "armature[bench]" in out.stderr


def test_planning_is_quick(tmp_path: Path) -> None:
    times = []
    for _ in range(3):
        began = time.monotonic()
        assert armature("plan", "agg", "+model=tiny-qwen3", cwd=tmp_path).returncode == 0
        times.append(time.monotonic() - began)
    assert min(times) < 3.0, "planning should take well under a second on an idle machine"


def test_two_plans_of_one_config_have_one_hash(tmp_path: Path) -> None:
    one, two = (json.loads(armature("plan", "agg", "+model=tiny-qwen3", "--json", cwd=tmp_path).stdout) for _ in range(2))
    assert one["hash"] == two["hash"]
    assert one["run_dir"] != two["run_dir"]


def test_a_run_keeps_its_deployment_and_its_host(tmp_path: Path) -> None:
    plan, composed = make_plan(["agg", "+model=tiny-qwen3", "topology.roles.worker.replicas=2"])
    kept = records(plan, composed)
    assert Deployment.model_validate_json(kept["deployment.json"]) == composed.deployment
    assert set(json.loads(kept["host.json"])) == {"hardware", "versions"}


def test_printed_commands_are_the_plans(tmp_path: Path) -> None:
    """The first command of a dry run, pasted into a shell that has taken the exports, does what the plan would do."""
    text = armature("plan", "agg", "+model=tiny-qwen3", cwd=tmp_path, ARMATURE_CACHE=str(tmp_path / "cache")).stdout
    exports, *nodes = text[text.index("\n# ") :].split("\n\n")
    command = next(lines for lines in nodes if "models make" in lines)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(["sh"], input=f"{exports}\n{command}\n", text=True, env=environment, check=True, capture_output=True, timeout=60)
    assert list((tmp_path / "cache" / "models").glob("tiny-qwen3-*/model.safetensors"))


def test_a_reader_that_goes_away_is_no_error() -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    line = f"{sys.executable} -P -m armature flags | head -1"
    out = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=env, timeout=60, check=False)
    assert out.stdout.startswith("SGLang")
    assert "Traceback" not in out.stderr
