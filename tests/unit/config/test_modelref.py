"""Where a model's files come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.config.compose import compose
from armature.config.modelref import BuiltModel, HubModel, LocalFolder, locate
from armature.errors import UserError


def model(*words: str):  # type: ignore[no-untyped-def]
    return compose(list(words)).deployment.model


def test_a_folder_is_used_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert locate(model("model.path=m"), tmp_path) == LocalFolder(folder)


def test_an_id_is_fetched(tmp_path: Path) -> None:
    source = locate(model("model=qwen3-0.6b"), tmp_path)
    assert source == HubModel("Qwen/Qwen3-0.6B", "main", "models/hub/Qwen--Qwen3-0.6B@main")


def test_dummy_weights_build_only_the_shape(tmp_path: Path) -> None:
    source = locate(model("model=qwen3-8b", "model.weights=dummy"), tmp_path)
    assert isinstance(source, BuiltModel)
    assert source.spec["weights"] == "none"


def test_another_seed_is_another_folder(tmp_path: Path) -> None:
    one, two = (locate(model("model=tiny-qwen3", f"model.shape.seed={seed}"), tmp_path) for seed in (0, 1))
    assert isinstance(one, BuiltModel)
    assert isinstance(two, BuiltModel)
    assert one.folder != two.folder


@pytest.mark.parametrize("path", ["./missing", "/nowhere/at/all", "just-a-word", "a/b/c"])
def test_what_is_neither_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        locate(model(f"model.path={path}"), tmp_path)


def test_a_folder_without_a_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(UserError, match=r"no config\.json"):
        locate(model("model.path=./m"), tmp_path)
