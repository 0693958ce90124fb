"""What moves KV caches is asked for before an engine starts."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from armature.engine import handoff
from armature.errors import UserError


def flags(mode: str, backend: str) -> Any:
    return SimpleNamespace(disaggregation_mode=mode, disaggregation_transfer_backend=backend)


@pytest.mark.parametrize(("mode", "backend"), [("null", "mooncake_tcp"), ("prefill", "fake")])
def test_nothing_is_loaded_that_is_not_used(mode: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    handoff.check(flags(mode, backend))


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (ModuleNotFoundError("No module named 'mooncake'"), "pip install mooncake-transfer-engine-non-cuda"),
        (
            ImportError("libibverbs.so.1: cannot open shared object file"),
            "apt-get install libcurl4 libibverbs1 libnl-3-200 libnl-route-3-200 libnuma1",
        ),
    ],
    ids=["no package", "no library"],
)
def test_what_is_missing_is_named(error: ImportError, fix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise error

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(UserError) as caught:
        handoff.check(flags("decode", "mooncake_tcp"))
    assert str(error) in caught.value.what and fix in (caught.value.fix or "")
