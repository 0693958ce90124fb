"""Fetching a model: what a user reads when it cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.errors import UserError
from armature.models.fetch import fetch


def test_offline_says_so_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError) as caught:
        fetch("Qwen/Qwen3-0.6B", "main", tmp_path / "m")
    assert "HF_HUB_OFFLINE=1 is set" in caught.value.what
    assert "model.path=FOLDER" in (caught.value.fix or "")


def test_an_unreachable_hub_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(UserError, match="cannot be reached"):
        fetch("Qwen/Qwen3-0.6B", "main", tmp_path / "m")
