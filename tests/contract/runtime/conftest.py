"""One frontend and one scripted worker per module, for the tests that end neither."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import NAME, Host, Pair, host

CHAT_TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% if effort or reasoning_effort %}{{ effort or reasoning_effort }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config and a byte-level tokenizer, which is all that a frontend needs of a model.

    Token 2 ends a turn; 70, 71, ... are the letters d, e, ...
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=260, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(["d"], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 260,
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 256,
        "max_position_embeddings": 4096,
        "eos_token_id": 2,
    }
    tokenizer_config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "chat_template": CHAT_TEMPLATE}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 2}))
    return folder


@pytest.fixture
def fresh(tmp_path: Path, model: Path) -> Iterator[Host]:
    """Planes of this test's own, for processes that the test ends."""
    with host(tmp_path, model) as h:
        yield h


@pytest.fixture(scope="module", params=["pull", "push"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Pair]:
    """A frontend and a worker with each egress. Tests must leave them running."""
    with host(tmp_path_factory.mktemp("pair"), model) as h:
        frontend, worker = h.frontend(), h.worker("--egress", request.param)
        h.routable(frontend)
        yield Pair(frontend, worker)


@pytest.fixture(scope="module")
def one_pair(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Pair]:
    """A frontend that expects its model, and a worker. Tests must leave them running."""
    with host(tmp_path_factory.mktemp("pair"), model) as h:
        frontend, worker = h.frontend("--expect-model", NAME, "--expect-path", str(model)), h.worker()
        h.routable(frontend)
        yield Pair(frontend, worker)
