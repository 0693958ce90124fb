"""Where the runs of a sweep start, as users of Hydra say it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from armature.config.launcher import SlurmJobs, read
from armature.errors import UserError

SLURM = "hydra/launcher=submitit_slurm"


@pytest.mark.parametrize("words", [[], ["hydra/launcher=basic"]])
def test_without_one_runs_start_here(words: list[str]) -> None:
    assert read(["agg", *words, "load.concurrency=1,2"]) == (["agg", "load.concurrency=1,2"], None)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("hydra.launcher.partition=gpu", {"partition": "gpu"}),
        ("+hydra.launcher.timeout_min=90", {"timeout_min": 90}),
        ("hydra.launcher.exclusive=false", {"exclusive": False}),
        ("hydra.launcher.setup=['module load cuda','ulimit -n 65536']", {"setup": ["module load cuda", "ulimit -n 65536"]}),
        ("hydra.launcher.additional_parameters.reservation=bench", {"additional_parameters": {"reservation": "bench"}}),
        ("hydra.launcher.additional_parameters={reservation: bench}", {"additional_parameters": {"reservation": "bench"}}),
    ],
)
def test_settings_are_read_as_hydra_reads_them(word: str, expected: dict[str, Any]) -> None:
    rest, jobs = read(["agg", word, SLURM])
    assert rest == ["agg"]
    assert jobs == SlurmJobs(**expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hydra/launcher=submitit_slrm"], r"did you mean hydra/launcher=submitit_slurm\?"),
        ([SLURM, "hydra.launcher.partitoin=gpu"], r"(?s)partitoin: there is no such setting.*did you mean hydra\.launcher\.partition\?"),
        ([SLURM, "hydra.launcher.reservation=x"], r"additional_parameters\.reservation="),
        ([SLURM, "hydra.launcher.timeout_min=soon"], r"(?s)timeout_min: .*got 'soon'.*the override 'hydra\.launcher\.timeout_min=soon'"),
        ([SLURM, "hydra.launcher.partition=a,b"], "takes one value"),
        ([SLURM, "hydra.launcher.partition=[a"], "cannot be read as an override"),
        (["hydra.launcher.partition=gpu"], r"'basic' has no settings"),
    ],
)
def test_what_is_wrong_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(words)
    assert re.search(message, caught.value.render())
