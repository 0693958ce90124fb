"""Ordinary requests, and whether their answers are right.

Greedy tokens must be those of Hugging Face's model. A prompt is taken only if at each step its likeliest token is MARGIN ahead of
the next one: below that, sums in another order may choose otherwise, and neither choice is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from .client import Answer, End
from .fields import CHAT, COMPLETIONS
from .target import Target

MARGIN = 1e-3  # of log probability
LOGPROB_ERROR = 5e-3
IDS = {"nvext": {"extra_fields": ["completion_token_ids"]}}


class Truth(Protocol):
    """Greedy decoding of the served weights: `support.reference.Reference`."""

    tokenizer: Any

    def greedy(self, prompt: list[int], max_tokens: int) -> list[int]: ...

    def logprobs(self, prompt: list[int], output: list[int]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Case:
    """A request with one right answer. wrong: what is wrong with a whole answer to it; None when nothing is."""

    name: str
    route: str
    body: dict[str, Any]
    wrong: Callable[[Reading], str | None]


@dataclass(frozen=True, slots=True)
class Reading:
    """One output as a client reads it, streamed or not."""

    tokens: tuple[int, ...]
    text: str
    finish: str | None
    logprobs: tuple[float, ...]
    usage: dict[str, Any]


def mistake(case: Case, answer: Answer) -> str | None:
    """Why `answer` is not the right one; None when it is."""
    if answer.end is not End.ANSWERED:
        return f"{answer.end} after {answer.whole_s:.1f} s (status {answer.status})"
    if answer.status != 200:
        return f"status {answer.status}: {answer.text[:500]}"
    try:
        readings = read(answer.body, bool(case.body.get("stream")))
    except (ValueError, KeyError, TypeError) as e:
        return f"cannot be read ({e!r}): {answer.text[:500]}"
    if len(readings) != case.body.get("n", 1):
        return f"{len(readings)} outputs"
    return next((found for reading in readings if (found := case.wrong(reading))), None)


def read(body: bytes, streamed: bool) -> list[Reading]:
    """The outputs of an answer with status 200. Raises ValueError for an error within a stream, or a stream without its end."""
    if not streamed:
        return _readings([json.loads(body)])
    events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    if not events or events.pop() != "[DONE]":
        raise ValueError("the stream ends without [DONE]")
    return _readings([json.loads(event) for event in events])


def _readings(parts: list[dict[str, Any]]) -> list[Reading]:
    outputs: dict[int, list[dict[str, Any]]] = {}
    usage: dict[str, Any] = {}
    tokens: dict[int, list[int]] = {}
    for part in parts:
        usage = part.get("usage") or usage
        for choice in part["choices"]:
            outputs.setdefault(choice["index"], []).append(choice)
            tokens.setdefault(choice["index"], []).extend((part.get("nvext") or {}).get("completion_token_ids") or [])
    return [_reading(choices, tokens[index], usage) for index, choices in sorted(outputs.items())]


def _reading(choices: list[dict[str, Any]], tokens: list[int], usage: dict[str, Any]) -> Reading:
    text, finish = "", None
    logprobs: list[float] = []
    for choice in choices:
        message = choice.get("message") or choice.get("delta") or choice
        text += message.get("content") or message.get("text") or ""
        finish = choice.get("finish_reason") or finish
        found = choice.get("logprobs") or {}
        logprobs += found.get("token_logprobs") or [entry["logprob"] for entry in found.get("content") or ()]
    return Reading(tuple(tokens), text, finish, tuple(logprobs), usage)


def cases(truth: Truth, target: Target, prompts: Iterable[list[int]], count: int = 12) -> list[Case]:
    """Several cases of each prompt, and of chats about them: unary and streamed, with a stop, log probabilities, a guide, two outputs."""
    made: list[Case] = []
    for number, prompt in enumerate(prompts):
        expected = truth.greedy(prompt, count)
        if not _clear(truth, prompt, expected):
            continue
        plain = {"model": target.model, "prompt": prompt, "max_tokens": count, "temperature": 0} | IDS
        right = _tokens(expected, len(prompt), count)
        made.append(Case(f"completion {number}", COMPLETIONS, plain, right))
        made.append(Case(f"stream {number}", COMPLETIONS, plain | {"stream": True, "stream_options": {"include_usage": True}}, right))
        match number % 4:
            case 0:
                scores = truth.logprobs(prompt, expected)
                wanted = [float(scores[i, token]) for i, token in enumerate(expected)]
                made.append(Case(f"logprobs {number}", COMPLETIONS, plain | {"logprobs": 1}, _logprobs(wanted)))
            case 1:
                stop = expected[len(expected) // 2]
                cut = expected[: expected.index(stop) + 1]
                made.append(Case(f"stop token {number}", COMPLETIONS, plain | {"stop_token_ids": [stop]}, _prefix(cut)))
            case 2 if not target.pairs:
                made.append(
                    Case(
                        f"two outputs {number}",
                        COMPLETIONS,
                        _without_ids(plain) | {"n": 2, "temperature": 1, "top_k": 1},
                        _text(truth.tokenizer.decode(expected, skip_special_tokens=True)),
                    )
                )
            case _:
                guided = _without_ids(plain) | {"guided_regex": "(yes|no)[0-9]{2}", "max_tokens": 16}
                made.append(Case(f"guide {number}", COMPLETIONS, guided, _matches("(yes|no)[0-9]{2}")))
        made += _chat(truth, target, number, count)
    return made


def _chat(truth: Truth, target: Target, number: int, count: int) -> list[Case]:
    messages = [{"role": "user", "content": f"question {number}"}]
    prompt = list(truth.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False))
    expected = truth.greedy(prompt, count)
    if not _clear(truth, prompt, expected):
        return []
    body = {"model": target.model, "messages": messages, "max_tokens": count, "temperature": 0} | IDS
    right = _tokens(expected, len(prompt), count)
    return [Case(f"chat {number}", CHAT, body, right), Case(f"chat stream {number}", CHAT, body | {"stream": True}, right)]


def _clear(truth: Truth, prompt: list[int], expected: list[int]) -> bool:
    best = truth.logprobs(prompt, expected).topk(2, dim=-1).values
    return bool((best[:, 0] - best[:, 1] > MARGIN).all())


def _without_ids(body: dict[str, Any]) -> dict[str, Any]:
    """The runtime returns token ids of one output only."""
    return {name: value for name, value in body.items() if name != "nvext"}


def _tokens(expected: list[int], prompt: int, count: int) -> Callable[[Reading], str | None]:
    finish = "length" if len(expected) == count else "stop"

    def wrong(got: Reading) -> str | None:
        if list(got.tokens) != expected:
            return f"tokens {list(got.tokens)}, expected {expected}"
        if got.finish != finish:
            return f"finish_reason {got.finish}, expected {finish}"
        if got.usage and (got.usage["prompt_tokens"], got.usage["completion_tokens"]) != (prompt, len(expected)):
            return f"usage {got.usage}, expected {prompt} and {len(expected)} tokens"
        return None

    return wrong


def _prefix(expected: list[int]) -> Callable[[Reading], str | None]:
    """The matched stop token may be among the tokens, or not."""
    return lambda got: None if list(got.tokens) in (expected, expected[:-1]) else f"tokens {list(got.tokens)}, expected {expected}"


def _text(expected: str) -> Callable[[Reading], str | None]:
    return lambda got: None if got.text == expected else f"text {got.text!r}, expected {expected!r}"


def _matches(pattern: str) -> Callable[[Reading], str | None]:
    return lambda got: None if re.fullmatch(pattern, got.text) else f"text {got.text!r} does not match {pattern}"


def _logprobs(expected: list[float]) -> Callable[[Reading], str | None]:
    def wrong(got: Reading) -> str | None:
        far = len(got.logprobs) != len(expected) or max(abs(a - b) for a, b in zip(got.logprobs, expected, strict=True)) > LOGPROB_ERROR
        return f"log probabilities {got.logprobs}, expected {expected}" if far else None

    return wrong
