"""Printed commands: a shell that takes the exports and a command starts what the plan says, in the environment that it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from armature.cli.paste import command, exports, shared_env
from armature.cli.show_plan import render_plan
from armature.graph.plan import Plan, PlannedNode

SHELLS_OWN = ("PWD", "SHLVL", "_", "LC_CTYPE")  # what the shell and the interpreter set themselves
SAYS = f"import json, os, sys; print(json.dumps([sys.argv[1:], {{k: v for k, v in os.environ.items() if k not in {SHELLS_OWN}}}]))"
RUNFILES = "/cache/bazel/_bazel_user/0123456789abcdef/execroot/x/bin/deploy/agg.runfiles"
WHEELS = [f"{RUNFILES}/wheels/{name}/site-packages" for name in "abcd"]


def node(name: str, *words: str, **env: str) -> PlannedNode:
    return PlannedNode(name=name, kind="service", argv=(sys.executable, "-I", "-c", SAYS, *words), env=env)


def pasted(*lines: str) -> tuple[list[str], dict[str, str]]:
    """The words and the environment of what runs when `lines` are pasted into a shell."""
    out = subprocess.run(["sh"], input="\n".join(lines), env={}, capture_output=True, text=True, timeout=30, check=True)
    words, environment = json.loads(out.stdout)
    return words, environment


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("/a", id="one folder"),
        pytest.param(":".join(WHEELS), id="one root"),
        pytest.param(":".join([*WHEELS, "/opt/elsewhere", WHEELS[0].rpartition("/")[0] + "-more"]), id="several roots"),
        pytest.param(":".join(f"{folder}/it's $HOME" for folder in WHEELS), id="special characters"),
        pytest.param(":".join(["/"] * 9), id="the root folder"),
    ],
)
def test_an_import_path_reaches_the_command_as_it_is(value: str) -> None:
    assert pasted(*exports({"PYTHONPATH": value}), command(node("n"), {"PYTHONPATH": value}))[1] == {"PYTHONPATH": value}


def test_a_folder_that_most_of_an_import_path_lies_below_is_written_once() -> None:
    assert "\n".join(exports({"PYTHONPATH": ":".join(WHEELS)})).count("agg.runfiles") == 1


@pytest.mark.parametrize(
    ("envs", "shared"),
    [
        ([{"A": "1"}, {"A": "1"}], {"A": "1"}),
        ([{"A": "1"}, {"A": "2"}], {}),
        ([{"A": "1"}, {}], {}),
        ([{}, {"A": "1"}], {}),
        ([], {}),
    ],
)
def test_only_what_all_nodes_have_with_one_value_is_shared(envs: list[Mapping[str, str]], shared: Mapping[str, str]) -> None:
    assert shared_env([node(f"n{i}", **env) for i, env in enumerate(envs)]) == shared


@pytest.mark.parametrize("words", [[], ["two words", "it's", '{"a": "$HOME"}', "", "*"]])
def test_a_pasted_command_has_the_nodes_words_and_exactly_its_environment(words: list[str]) -> None:
    one = node("one", *words, PYTHONPATH=":".join(WHEELS), OWN="a b;c")
    shared = shared_env([one, node("two", PYTHONPATH=":".join(WHEELS))])
    assert pasted(*exports(shared), command(one, shared)) == (words, dict(one.env))


def test_a_printed_plan_says_the_import_path_once(tmp_path: Path) -> None:
    nodes = tuple(node(f"n{i}", PYTHONPATH="/far/away:/there") for i in range(5))
    text = render_plan(Plan(name="p", hash="0", run_dir=tmp_path, cache_dir=tmp_path, tmp_dir=tmp_path, nodes=nodes))
    assert text.count("/far/away") == 1
