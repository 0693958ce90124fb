"""A byte-level tokenizer with a chat template, made from nothing downloaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VOCABULARY = 512

# Merges are learned from these lines, so that common words are one token and everything else falls back to bytes.
_CORPUS = [
    "the quick brown fox jumps over the lazy dog and the user asks the assistant what the capital of france is",
    '{"name": "value", "list": [1, 2, 3], "ok": true, "none": null}',
    "0123456789 hello world system user assistant yes no maybe thank you please",
] * 10


@dataclass(frozen=True)
class Dialect:
    """How one family of models writes a conversation down.

    specials: all special tokens, which get the ids from 0 on. bos, eos, pad: those of them with a role. template: Jinja.
    """

    specials: tuple[str, ...]
    bos: str | None
    eos: str
    pad: str
    template: str


_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_HEADERS = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n"
    "{{ message.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)

DIALECTS: Mapping[str, Dialect] = {
    "qwen3": Dialect(
        specials=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"),
        bos=None,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        template=_CHATML,
    ),
    "llama": Dialect(
        specials=("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        pad="<|end_of_text|>",
        template=_HEADERS,
    ),
}


def write_tokenizer(family: str, folder: Path, vocabulary: int = VOCABULARY) -> dict[str, int | None]:
    """Write a tokenizer of `vocabulary` tokens for `family` into `folder`; the same bytes each time.

    Returns the ids of the bos, eos and pad tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    dialect = DIALECTS[family]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(dialect.specials),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    # Every id that the model can emit is a token that can be seen: the rest of the vocabulary stands for itself.
    tokenizer.add_tokens([f"<{i}>" for i in range(tokenizer.get_vocab_size(), vocabulary)])
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {"bos": dialect.bos, "eos": dialect.eos, "pad": dialect.pad}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{f"{role}_token": token for role, token in roles.items()},
        "chat_template": dialect.template,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    return {role: None if token is None else tokenizer.token_to_id(token) for role, token in roles.items()}
