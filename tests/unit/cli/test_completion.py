"""What shells offer at TAB: everything that a command line may hold, soon, and nothing that it may not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from armature.cli import COMMANDS, candidates, completing, main
from armature.cli.up import FORMS
from armature.config.compose import compose
from armature.config.fields import dotted_fields
from armature.config.flags import OWNED, table
from armature.config.folder import conf_dir, groups
from armature.graph import draw

WORKERS = ("cores=", "gpus=", "replicas=", "role=", "share_gpus_with=", "engine.", "env.")
TOPOLOGIES = groups(conf_dir())["topology"]


def asked(line: str, *program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program at which a shell asks how `line` goes on, in argcomplete's way: the answer comes through descriptor 8."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "COMP_LINE": line, "COMP_POINT": str(len(line.encode()))}
    env |= {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_SHELL": "bash", "_ARGCOMPLETE_SUPPRESS_SPACE": "1", "_ARGCOMPLETE_IFS": "\n"} | environment
    words = ["bash", "-c", '"$@" 8>&1 9>/dev/null 1>/dev/null', "bash", *program]
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)


def at_tab(line: str, **environment: str) -> list[str]:
    """What is offered when TAB is pressed at the end of `line`."""
    return asked(line, sys.executable, "-P", "-m", "armature", **environment).stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("armature ", list(COMMANDS)),
        ("armature comp", ["compare", "completion"]),
        ("armature completion ", ["bash", "zsh", "fish"]),
        ("armature up --d", ["--dry-run", "--draw"]),
        ("armature up --draw ", list(FORMS)),
        ("armature plan agg --js", ["--json"]),
        ("armature up agg frontend.", ["frontend.admin=", "frontend.body_mb=", "frontend.drain_s=", "frontend.host=", "frontend.port="]),
        ("armature bench topology=agg,dis", ["topology=agg,disagg", "topology=agg,disagg_router", "topology=agg,disagg_same_gpu"]),
        ("armature models ", ["make", "fetch"]),
        ("armature flags max_run", ["max_running_requests"]),
        ("armature worker aggr", ["aggregated"]),
        ("armature worker aggregated --max-run", ["--max-running-requests"]),
        ("armature worker aggregated --dr", ["--drain-s"]),
        ("armature profile ", ["pyspy", "torch"]),
    ],
)
def test_a_line_goes_on_with(line: str, offered: list[str]) -> None:
    assert at_tab(line) == offered


def test_zsh_is_told_what_words_mean() -> None:
    assert at_tab("armature up frontend.p", _ARGCOMPLETE_SHELL="zsh") == ["frontend.port=:0: any free port."]


def test_runs_are_offered_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "agg-tiny/20260101-000000-abcd").mkdir(parents=True)
    (tmp_path / "agg-tiny/20260101-000000-abcd/plan.json").touch()
    assert at_tab("armature watch agg-", ARMATURE_RUNS=str(tmp_path)) == ["agg-tiny/20260101-000000-abcd"]


@pytest.mark.parametrize("words", ["", "up ", "bench +model=", "up agg topology.roles.", "watch "])
def test_nothing_slow_is_imported_while_somebody_types(words: str) -> None:
    program = (
        "import os, sys\n"
        "slow = {'pydantic', 'hydra', 'omegaconf', 'rich', 'torch', 'sglang', 'dynamo', 'asyncio'}\n"
        "os._exit = lambda code: sys.exit(repr(sorted(slow & set(sys.modules))))\n"  # as argcomplete ends
        "from armature.cli import main\n"
        "main([])\n"
    )
    out = asked(f"armature {words}", sys.executable, "-P", "-c", program)
    assert out.stderr.strip() == "[]"


def complete(word: str, *others: str, several: bool = False) -> list[str]:
    return list(candidates.override(word, others, several))


@pytest.mark.parametrize(
    ("word", "others", "offered"),
    [
        ("run", [], ["runtime=", "run.", "runtime."]),
        ("run.", [], ["run.dir="]),
        ("+model=tiny", [], ["+model=tiny-embedding", "+model=tiny-llama", "+model=tiny-qwen3"]),
        ("frontend.admin=", [], ["frontend.admin=true", "frontend.admin=false"]),
        ("runtime.discovery=", [], ["runtime.discovery=file", "runtime.discovery=etcd"]),
        ("engine.args.load_form", [], []),
        ("engine.args.disable_radix_cache=", [], ["engine.args.disable_radix_cache=true", "engine.args.disable_radix_cache=false"]),
        ("engine.args.sampling_backend=fl", [], ["engine.args.sampling_backend=flashinfer"]),
        (
            "topology.roles.w",
            [],
            [f"topology.roles.worker.{name}" for name in WORKERS],
        ),
        ("topology.roles.", ["disagg"], ["topology.roles.prefill.", "topology.roles.decode."]),
        ("topology.roles.", ["topology=disagg"], ["topology.roles.prefill.", "topology.roles.decode."]),
        ("topology.roles.worker.repl", [], ["topology.roles.worker.replicas="]),
        ("topology.roles.worker.engine.args.tp_s", [], ["topology.roles.worker.engine.args.tp_size="]),
        ("load.name", [], []),
        ("model.name", [], ["model.name="]),
        ("hydra", [], []),
        ("agg,", [], []),
        ("nosuch", [], []),
        ("no.such=", [], []),
    ],
)
def test_a_word_of_a_run_goes_on_with(word: str, others: Sequence[str], offered: list[str]) -> None:
    found = complete(word, *others)
    assert [text for text in found if text not in TOPOLOGIES] == offered


@pytest.mark.parametrize(
    ("word", "offered"),
    [
        ("agg,agg", ["agg,agg_router"]),
        ("model=tiny-llama,", ["model=tiny-llama,custom"]),
        ("hydra/", ["hydra/launcher="]),
        ("hydra/launcher=sub", ["hydra/launcher=submitit_slurm"]),
        ("hydra.launcher.part", ["hydra.launcher.partition="]),
    ],
)
def test_a_word_of_a_sweep_goes_on_with(word: str, offered: list[str]) -> None:
    assert complete(word, several=True)[: len(offered)] == offered


def leaves(word: str = "") -> set[str]:
    """Every key that can be reached by TAB from `word` on."""
    found = set()
    for text in complete(word):
        found |= {text.rstrip("=")} if text.endswith("=") else leaves(text) if text.endswith(".") and text != word else set()
    return found


def test_every_field_and_every_flag_can_be_reached() -> None:
    chosen = groups(conf_dir())
    composed = compose(["model=tiny-qwen3"]).deployment
    sections = {f for f in dotted_fields() if any(g.startswith(f"{f}.") for g in dotted_fields())}
    named = {f"{group}.name" for group in chosen if group != "model"}
    mappings = {"topology.roles", "hardware.env", "load.extra_body", *(f for f in dotted_fields() if f.endswith("engine.args"))}
    reached = leaves()
    assert set(dotted_fields()) - sections - named - mappings - reached == set()
    assert {f"engine.args.{name}" for name in table()[1] if name not in OWNED} <= reached
    assert {f"topology.roles.{group}.replicas" for group in composed.topology.roles} <= reached


def test_what_is_offered_can_be_composed() -> None:
    """The first value of each of some fields."""
    keys = [key for key in sorted(leaves()) if key.startswith(("frontend.", "worker.", "topology.router."))]
    words = [values[0] for key in keys if (values := complete(f"{key}="))]
    assert len(words) > 3 and compose(["model=tiny-qwen3", *words])


def test_the_parsers_name_all_forms_of_a_drawing() -> None:
    assert set(FORMS) == set(draw.FORMS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_completed(command: str) -> None:
    assert completing.parser(COMMANDS, {command})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_takes(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here: apt-get install {shell}")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    checked = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, timeout=30, check=False)
    assert "armature" in script and (checked.returncode, checked.stderr) == (0, "")
