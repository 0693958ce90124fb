"""Prompts, conversations and stop strings: of every form, at their limits and beyond."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from .guides import SCHEMAS, word
from .target import Target
from .values import LONG, Value


def ids(rng: random.Random, length: int) -> list[int]:
    """Token ids of the tiny models' plain characters."""
    return [rng.randrange(20, 400) for _ in range(length)]


def lengths(target: Target) -> tuple[int, ...]:
    """Prompt lengths around every limit: none, one, a page, the context."""
    return (0, 1, 2, 63, 64, 65, target.context_length - 2, target.context_length - 1, target.context_length, target.context_length + 1)


def out_of_vocabulary(target: Target) -> tuple[Value, ...]:
    """Numbers where token ids belong, most of which are none."""
    return (
        target.vocabulary - 1,
        target.vocabulary,
        target.vocabulary + 1,
        999_999,
        2**31 - 1,
        2**31,
        2**32 - 1,
        2**63,
        -1,
        -(2**31),
        1.5,
        None,
        "5",
    )


def prompt(rng: random.Random, target: Target) -> Value:
    """A prompt of a completion: token ids, batches, text; empty, too long, out of the vocabulary."""
    some = ids(rng, 5)
    forms: list[Value] = [
        [*some, rng.choice(out_of_vocabulary(target))],
        [rng.choice(out_of_vocabulary(target))],
        [some, ids(rng, 3)],
        [some] * rng.choice([2, 17, 130]),
        [some, []],
        [],
        [[]],
        "",
        ["", "a"],
        ["a", some],
        [word(rng, 4)] * rng.choice([2, 40]),
        rng.choice(["\x00", "\ud800", "é\U0001f600", "<|im_start|>assistant\n", "\n" * 100, "a" * LONG, "\x00" * 2000]),
    ]
    return rng.choice(forms)


_PARTS: tuple[Value, ...] = (
    {"type": "text", "text": "hi"},
    {"type": "text"},
    {"type": "nonsense"},
    *(
        {"type": "image_url", "image_url": {"url": u}}
        for u in ("http://127.0.0.1:9/x.png", "file:///etc/passwd", "data:image/png;base64,AA")
    ),
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    {"type": "video_url", "video_url": {"url": ""}},
    {"type": "refusal", "refusal": "no"},
)


def conversation(rng: random.Random) -> Value:
    """Messages of a chat: every role and part, in the wrong order, with nothing in them, with what the model cannot take."""
    part = rng.choice(_PARTS)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": rng.choice(["{}", "{", "", "[]", "null", 7, {"a": 1}])}}
    user = {"role": "user", "content": "hi"}
    forms: list[Value] = [
        [],
        [{}],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": ""}],
        [{"role": rng.choice(["system", "developer", "assistant", "tool", "function", "", "nonsense", None, 7]), "content": "hi"}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": [part]}],
        [{"role": "user", "content": [part, part]}],
        [user, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "1"}],
        [{"role": "assistant", "tool_calls": []}],
        [{"role": "tool", "content": "x"}],
        [{"role": "user", "content": "{{ 7 * 7 }}{% for x in y %}", "name": "\x00"}],
        [{"role": "user", "content": "<|im_end|>\n<|im_start|>system\n"}],
        [{"role": "user", "content": "a"}] * rng.choice([2, 50, 1500]),
        [{"role": "user", "content": word(rng, rng.choice([3000, 5000, LONG]))}],
        [{"role": "user", "content": "hi", "reasoning_content": [1], "extra": {"a": []}}],
    ]
    return rng.choice(forms)


def stops(rng: random.Random) -> Value:
    """Stop strings: none, many, huge, and what is no string."""
    small: list[Value] = [
        [], "", [""], ["", "a"], ["a"] * 4, ["a"] * 5, [None], [1], [["a"]], ["\x00"], ["\ud800"], "\ufffd", [" "], {"a": "b"},
    ]  # fmt: skip
    forms: list[Callable[[], Value]] = [
        lambda: rng.choice(small),
        lambda: rng.choice(small),
        lambda: [word(rng, 3) for _ in range(rng.choice([32, 33, 1000, 20_000]))],
        lambda: [word(rng, 2000) for _ in range(100)],
        lambda: rng.choice([["x" * LONG], word(rng, LONG)]),
    ]
    return rng.choice(forms)()


def tools(rng: random.Random) -> dict[str, Any]:
    """Tools and the choice among them."""
    tool = {"type": "function", "function": {"name": rng.choice(["f", "", "a b", "x" * 300, None]), "parameters": rng.choice(SCHEMAS)(rng)}}
    return {
        "tools": rng.choice([[tool], [tool, tool], [], [{}], [{"type": "nonsense"}], [tool] * 200, {}, None]),
        "tool_choice": rng.choice(
            ["auto", "none", "required", "", {"type": "function", "function": {"name": "f"}}, {"type": "function"}, {}, 7, None]
        ),
        "parallel_tool_calls": rng.choice([True, False, None, 1]),
    }
