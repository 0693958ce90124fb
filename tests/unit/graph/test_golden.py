"""Golden plans: any change of what would run shows up as a diff of these files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from armature.config.folder import conf_dir, groups

sys.path.insert(0, str(Path(__file__).absolute().parents[3] / "tools"))

import gen_golden_plans as golden


@pytest.mark.parametrize("name", golden.CASES)
def test_the_plan_is_the_golden_one(name: str) -> None:
    assert golden.render(name) == (golden.GOLDEN / f"{name}.json").read_text(), "look at the diff, then run tools/gen_golden_plans.py"


def test_every_topology_has_a_golden_plan() -> None:
    assert {word.removeprefix("topology=") for words in golden.CASES.values() for word in words if word.startswith("topology=")} == set(
        groups(conf_dir())["topology"]
    )


def test_no_golden_file_is_left_over() -> None:
    assert {f.stem for f in golden.GOLDEN.glob("*.json")} == set(golden.CASES)
