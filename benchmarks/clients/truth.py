"""What is true of the served model: Hugging Face's own computation with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Truth:
    """A model in Hugging Face's implementation, on the CPU in float32."""

    def __init__(self, folder: Path) -> None:
        from armature.engine.cpu import activate

        activate()  # Hugging Face's modelling code imports torchvision, which needs a stand-in where there is no GPU
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.folder = folder
        self._torch = torch
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)

    def chat(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids of a rendered chat."""
        text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return self._ids(text)

    def greedy(self, prompt: list[int], count: int) -> list[int]:
        """Token ids of the most likely continuation."""
        ids = self._torch.tensor([prompt])
        with self._torch.no_grad():
            out = self._model.generate(ids, attention_mask=self._torch.ones_like(ids), max_new_tokens=count, do_sample=False)
        return [int(token) for token in out[0, len(prompt) :]]

    def text(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def logprobs(self, prompt: list[int], output: list[int]) -> list[float]:
        """The log probability of each token of `output` after `prompt`."""
        return [float(row[token]) for row, token in zip(self._rows(prompt, output), output, strict=True)]

    def score(self, context: str, continuation: str) -> tuple[float, bool]:
        """The log-likelihood of a continuation, and whether it is the greedy one; cut where lm-eval cuts the two."""
        spaces = len(context) - len(context.rstrip())
        if spaces:
            context, continuation = context[:-spaces], context[-spaces:] + continuation
        whole, prompt = self._ids(context + continuation), self._ids(context)
        output = whole[len(prompt) :]
        rows = self._rows(prompt, output)
        greedy = all(int(row.argmax()) == token for row, token in zip(rows, output, strict=True))
        return sum(float(row[token]) for row, token in zip(rows, output, strict=True)), greedy

    def rolling(self, text: str) -> float:
        """The log-likelihood of a text, after the token that lm-eval puts before it."""
        start = self._tokenizer.bos_token_id
        return sum(self.logprobs([self._tokenizer.eos_token_id if start is None else start], self._ids(text)))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def _rows(self, prompt: list[int], output: list[int]) -> Any:
        with self._torch.no_grad():
            logits = self._model(self._torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1]
        return self._torch.log_softmax(logits.float(), dim=-1)
