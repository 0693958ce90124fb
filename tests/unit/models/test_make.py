"""Models that are built here: the same spec makes the same bytes, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from armature.config.compose import compose
from armature.config.modelref import BuiltModel, locate
from armature.errors import UserError
from armature.models.make import make, put_in_place
from armature.models.weights import shapes


def spec(*words: str) -> dict[str, Any]:
    source = locate(compose(list(words)).deployment.model, Path("/u"))
    assert isinstance(source, BuiltModel)
    return source.spec


def quiet(_line: str) -> None:
    pass


def digest(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


@pytest.mark.parametrize("model", ["tiny-llama", "tiny-qwen3"])
def test_the_same_spec_makes_the_same_bytes(model: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make(spec(f"model={model}"), tmp_path / name, quiet)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_another_seed_makes_other_weights(tmp_path: Path) -> None:
    for seed in (0, 1):
        make(spec("model=tiny-qwen3", f"model.shape.seed={seed}"), tmp_path / str(seed), quiet)
    zero, one = digest(tmp_path / "0"), digest(tmp_path / "1")
    assert {name for name in zero if zero[name] != one[name]} == {"model.safetensors"}


@pytest.mark.parametrize("model", ["qwen3-0.6b", "qwen3-8b", "llama-3.1-8b"])
def test_a_shape_without_weights_has_a_config_and_a_tokenizer(model: str, tmp_path: Path) -> None:
    make(spec(f"model={model}", "model.weights=dummy"), tmp_path / "m", quiet)
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert not list((tmp_path / "m").glob("*.safetensors"))
    assert config["vocab_size"] > 100_000
    assert AutoTokenizer.from_pretrained(tmp_path / "m").decode([300])


@pytest.mark.parametrize("model", ["tiny-llama", "tiny-qwen3"])
def test_special_tokens_agree_everywhere(model: str, tmp_path: Path) -> None:
    make(spec(f"model={model}"), tmp_path / "m", quiet)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    for file in ("config.json", "generation_config.json"):
        content = json.loads((tmp_path / "m" / file).read_text())
        assert (content["eos_token_id"], content["bos_token_id"]) == (tokenizer.eos_token_id, tokenizer.bos_token_id)


@pytest.mark.parametrize("model", ["tiny-llama", "tiny-qwen3"])
def test_the_chat_template_marks_turns(model: str, tmp_path: Path) -> None:
    make(spec(f"model={model}"), tmp_path / "m", quiet)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    text = tokenizer.apply_chat_template([{"role": "user", "content": "hi there"}], add_generation_prompt=True, tokenize=False)
    assert "hi there" in text
    assert text.index("user") < text.index("hi there") < text.index("assistant")


def test_text_survives_the_tokenizer(tmp_path: Path) -> None:
    make(spec("model=tiny-qwen3"), tmp_path / "m", quiet)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    text = 'Zürich: {x} → "ok"\n\t日本'
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_many_builders_may_put_their_folders_in_place_at_once(tmp_path: Path) -> None:
    def build(number: int) -> None:
        work = tmp_path / f"work-{number}"
        work.mkdir()
        (work / "config.json").write_text("{}")
        put_in_place(work, tmp_path / "m")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(build, range(1000)))
    assert [f.relative_to(tmp_path).as_posix() for f in sorted(tmp_path.rglob("*"))] == ["m", "m/config.json"]


def test_two_builders_at_once_leave_one_whole_model(tmp_path: Path) -> None:
    wanted = spec("model=tiny-qwen3")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: make(wanted, tmp_path / "m", quiet), range(8)))
    assert [f.name for f in tmp_path.iterdir()] == ["m"]
    make(wanted, tmp_path / "alone", quiet)
    assert digest(tmp_path / "m") == digest(tmp_path / "alone")


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    wanted = spec("model=tiny-qwen3") | {"num_hidden_layers": "two"}
    with pytest.raises(TypeError):
        make(wanted, tmp_path / "m", quiet)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no family is called 'gpt'"):
        make({"family": "gpt"}, tmp_path / "m", quiet)


def test_tied_embeddings_have_no_head() -> None:
    assert "lm_head.weight" not in dict(shapes(spec("model=qwen3-0.6b", "model.weights=dummy")))
