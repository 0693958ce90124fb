"""The CPU stand-ins are in every process that is started from one that has them, and in no other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from armature.engine.cpu import SITE
from armature.engine.cpu.patches import next_slots

PROBE = "import sys; print([type(f).__name__ for f in sys.meta_path].count('PatchingFinder'), 'sgl_kernel' in sys.modules)"


def run(code: str, **environment: str) -> str:
    env = {k: v for k, v in os.environ.items() if k != "SGLANG_USE_CPU_ENGINE"}
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p and p != str(SITE))
    return subprocess.run([sys.executable, "-c", code], env=env | environment, capture_output=True, text=True, check=True).stdout.strip()


def test_a_plain_process_has_none() -> None:
    assert run(PROBE) == "0 False"


def test_activation_is_inherited_once() -> None:
    code = f"""
import subprocess, sys
from armature.engine.cpu import activate
activate(); activate()
print(subprocess.run([sys.executable, "-c", {PROBE!r}], capture_output=True, text=True).stdout.strip())
"""
    assert run(code) == "1 False"


def test_without_the_variable_the_folder_on_the_path_does_nothing() -> None:
    path = os.pathsep.join([str(SITE), *(p for p in sys.path if p)])
    assert run(PROBE, PYTHONPATH=path) == "0 False"


@pytest.mark.parametrize("module", ["torch", "sglang", "transformers"])
def test_activation_imports_nothing_heavy(module: str) -> None:
    assert run(f"import sys; from armature.engine.cpu import activate; activate(); print({module!r} in sys.modules)") == "False"


def test_a_hidden_sitecustomize_still_runs(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "sitecustomize.py").write_text("print('hidden one ran')\n")
    path = os.pathsep.join([str(SITE), str(tmp_path), *(p for p in sys.path if p)])
    assert run("pass", PYTHONPATH=path, SGLANG_USE_CPU_ENGINE="1") == "hidden one ran"


@pytest.mark.parametrize(
    ("lengths", "last", "free", "slots"),
    [
        ([5, 6], [3, 9], [7, 8], [28, 10]),  # the first has filled its page of 4
        ([5, 9, 13], [3, 11, 19], [7, 8, 2], [28, 32, 8]),
        ([6], [4], [], [5]),
    ],
)
def test_next_slots(lengths: list[int], last: list[int], free: list[int], slots: list[int]) -> None:
    out = torch.empty(len(slots), dtype=torch.int64)
    next_slots(torch.tensor(lengths), torch.tensor(last), torch.tensor(free, dtype=torch.int64), out, 4, 4)
    assert out.tolist() == slots
