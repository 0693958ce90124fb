"""What is asked of Slurm for a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from armature.config.launcher import SlurmJobs
from armature.errors import UserError
from armature.launch.slurm_jobs import Slurm, parameters


@pytest.mark.parametrize(
    ("settings", "gpus", "expected"),
    [
        ({}, 2, {"gpus_per_node": 2, "slurm_exclusive": True, "timeout_min": 60}),
        ({"gpus_per_node": 8}, 2, {"gpus_per_node": 8}),
        ({"gpus_per_node": 0, "gres": "gpu:h200:2"}, 2, {"slurm_gres": "gpu:h200:2", "gpus_per_node": None}),
        ({}, 0, {"gpus_per_node": None}),
        ({"exclusive": False, "array_parallelism": 1}, 0, {"slurm_exclusive": None, "slurm_array_parallelism": 1}),
        ({"partition": "gpu"}, 0, {"slurm_partition": "gpu"}),
        ({"additional_parameters": {"reservation": "x"}}, 0, {"slurm_additional_parameters": {"reservation": "x"}}),
    ],
)
def test_settings_are_said_in_submitits_words(settings: dict[str, Any], gpus: int, expected: dict[str, Any]) -> None:
    got = parameters(SlurmJobs(**settings), gpus, {})
    assert {name: got.get(name) for name in expected} == expected


def test_a_job_imports_what_this_process_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = parameters(SlurmJobs(setup=["module load x"]), 0, {"PYTHONPATH": "src:/opt/a b"})["slurm_setup"]
    assert lines[0] == "module load x"
    assert f"export PYTHONPATH='{tmp_path}/src:/opt/a b'" in lines


def test_without_slurm_it_says_where_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no sbatch on the PATH"):
        Slurm(SlurmJobs(), tmp_path, {})
