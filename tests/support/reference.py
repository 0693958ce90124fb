"""The truth that served tokens are held against: Hugging Face's own greedy decoding of the same weights."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any


def prompts(
    count: int,
    seed: int = 20261123,
    longest: int = 300,
    lengths: tuple[int, ...] = (1, 2, 7, 16, 33, 64, 120),
    vocabulary: tuple[int, int] = (20, 400),
) -> list[list[int]]:
    """Prompts as token ids: lengths from 1 on, every fourth sharing a prefix with the one before it."""
    rng = random.Random(seed)
    made: list[list[int]] = []
    for i in range(count):
        length = rng.choice([*lengths, longest])
        shared = made[-1][: len(made[-1]) // 2] if made and i % 4 == 3 else []
        made.append(shared + [rng.randrange(*vocabulary) for _ in range(length)])
    return made


class Reference:
    """A model in Hugging Face's own implementation, on the CPU in float32."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(1)  # an engine that this process starts later is a fork of it, which OpenMP's threads do not survive
        self.torch = torch
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)

    def greedy(self, prompt: list[int], max_tokens: int) -> list[int]:
        """Token ids of the most likely continuation, the end-of-sequence token included when it comes."""
        ids = self.torch.tensor([prompt])
        with self.torch.no_grad():
            out = self.model.generate(ids, attention_mask=self.torch.ones_like(ids), max_new_tokens=max_tokens, do_sample=False)
        return [int(t) for t in out[0, len(prompt) :]]

    def logprobs(self, prompt: list[int], output: list[int]) -> Any:
        """Log-probabilities of every token at each position of `output`: a tensor (len(output), vocabulary)."""
        ids = self.torch.tensor([prompt + output])
        with self.torch.no_grad():
            logits = self.model(ids).logits[0, len(prompt) - 1 : -1]
        return self.torch.log_softmax(logits.float(), dim=-1)


class Vectors:
    """An embedding model in Hugging Face's own implementation, on the CPU in float32: the last token's state, normalized."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(1)  # see Reference
        self.torch = torch
        self.model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)

    def of(self, ids: list[int]) -> list[float]:
        """The vector of one input."""
        with self.torch.no_grad():
            last = self.model(self.torch.tensor([ids])).last_hidden_state[0, -1]
        found: list[float] = self.torch.nn.functional.normalize(last, dim=0).tolist()
        return found
