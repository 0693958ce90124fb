"""An engine's processes on one host meet at files that only their user may use, and at no port."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from armature.engine import local

FLAGS = SimpleNamespace(enable_dp_attention=True, nnodes=1, elastic_ep_backend=None, nccl_port=None)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from armature.engine.cpu import activate

    activate()  # SGLang is imported
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_every_socket_is_a_file_that_others_cannot_reach(tmp_path: Path) -> None:
    """Whatever SGLang adds to its list of sockets is among them: a field that is left out would be a port again."""
    ports = local.ranks(FLAGS)
    names = {f.name: getattr(ports, f.name) for f in dataclasses.fields(ports) if f.name.endswith("_ipc_name")}
    assert names.pop("tokenizer_worker_ipc_name") is None, "there is one tokenizer"
    assert len(names) >= 6
    for value in names.values():
        assert value.startswith(f"ipc://{tmp_path}/ranks-")
        folder = Path(value.removeprefix("ipc://")).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and folder.stat().st_uid == os.getuid()
    assert len(set(names.values())) == len(names)
    local.remove(ports)
    assert list(tmp_path.iterdir()) == []


def test_what_sglang_made_itself_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    ports = dataclasses.replace(local.ranks(FLAGS), scheduler_input_ipc_name=f"ipc://{tmp_path}/mine")
    local.remove(ports)
    assert (tmp_path / "mine").read_text() == "kept"
