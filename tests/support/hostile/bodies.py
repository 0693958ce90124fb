"""Requests whose JSON is whole, and whose fields are hostile."""

from __future__ import annotations

import random
from typing import Any

from . import guides, texts
from .fields import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, Field, table
from .request import Request
from .target import Target
from .values import ILL_TYPED, NUMBERS, Value, encode


def ordinary_body(route: str, rng: random.Random, target: Target) -> dict[str, Any]:
    """A body that nothing is wrong with."""
    body: dict[str, Any] = {"model": target.model}
    if route == CHAT:
        body |= {"messages": [{"role": "user", "content": guides.word(rng, 6)}], "max_tokens": 8}
    elif route == COMPLETIONS:
        body |= {"prompt": rng.choice([guides.word(rng, 6), texts.ids(rng, 6)]), "max_tokens": 8}
    elif route == RESPONSES:
        body |= {"input": guides.word(rng, 6), "max_output_tokens": 8}
    elif route == MESSAGES:
        body |= {"messages": [{"role": "user", "content": guides.word(rng, 6)}], "max_tokens": 8}
    else:
        body |= {"input": guides.word(rng, 6)}
    if route != EMBEDDINGS and rng.random() < 0.5:
        body["stream"] = True
    return body


def put(body: dict[str, Any], name: str, value: Value) -> None:
    """Set a field, whose dotted name may lie inside another that is made for it."""
    *outer, last = name.split(".")
    for part in outer:
        inside = body.get(part)
        body[part] = dict(inside) if isinstance(inside, dict) else {}  # what was there may be the table's own
        body = body[part]
    body[last] = value


def hostile_value(field: Field, rng: random.Random) -> tuple[str, Value]:
    """(which sort of value, the value)."""
    sorts: dict[str, tuple[Value, ...]] = {"legal": field.legal, "beyond": field.beyond, "number": NUMBERS, "ill-typed": ILL_TYPED}
    sort = rng.choices(list(sorts), [3, 3, 2, 2])[0]
    if not sorts[sort]:
        sort = "ill-typed"
    return sort, rng.choice(sorts[sort])


def one_field(rng: random.Random, target: Target) -> Request:
    route, fields = rng.choice(list(table(target).items()))
    chosen = rng.choice(fields)
    return with_field(route, chosen, rng, target)


def with_field(route: str, chosen: Field, rng: random.Random, target: Target) -> Request:
    body = ordinary_body(route, rng, target)
    sort, value = hostile_value(chosen, rng)
    put(body, chosen.name, value)
    return Request(f"field:{chosen.name}", f"{chosen.name} is {sort}", route, encode(body))


def many_fields(rng: random.Random, target: Target) -> Request:
    """Values that are each allowed, or just not, together."""
    route = rng.choice([CHAT, COMPLETIONS])
    body = ordinary_body(route, rng, target)
    chosen = rng.sample([f for f in table(target)[route] if f.legal and f.name not in ("model", "messages", "prompt")], rng.randint(2, 7))
    for each in chosen:
        put(body, each.name, rng.choice(each.legal + each.beyond if rng.random() < 0.2 else each.legal))
    return Request("fields", " ".join(f.name for f in chosen), route, encode(body))


def prompt(rng: random.Random, target: Target) -> Request:
    body = ordinary_body(COMPLETIONS, rng, target) | {"prompt": texts.prompt(rng, target)}
    if rng.random() < 0.3:
        body |= {"echo": True, "logprobs": rng.choice([0, 1, None])}
    return Request("prompt", "a prompt of another form", COMPLETIONS, encode(body))


def length(rng: random.Random, target: Target) -> Request:
    length, rest = rng.choice(texts.lengths(target)), rng.choice([0, 1, 2, target.context_length])
    tokens = max(0, rest if rest == target.context_length else target.context_length - length + rest - 1)
    body = ordinary_body(COMPLETIONS, rng, target) | {"prompt": texts.ids(rng, length), "max_tokens": tokens}
    if rng.random() < 0.3:
        body |= {"min_tokens": tokens, "ignore_eos": True}
    return Request("length", f"a prompt of {length} and an output of {tokens} tokens", COMPLETIONS, encode(body))


def messages(rng: random.Random, target: Target) -> Request:
    body = ordinary_body(CHAT, rng, target) | {"messages": texts.conversation(rng)}
    if rng.random() < 0.2:
        body |= {"continue_final_message": True, "add_generation_prompt": rng.choice([True, False])}
    return Request("messages", "a conversation of another form", rng.choice([CHAT, CHAT, MESSAGES]), encode(body))


def tools(rng: random.Random, target: Target) -> Request:
    return Request("tools", "tools of another form", CHAT, encode(ordinary_body(CHAT, rng, target) | texts.tools(rng)))


def stops(rng: random.Random, target: Target) -> Request:
    route = rng.choice([CHAT, COMPLETIONS])
    body = ordinary_body(route, rng, target) | {"stop": texts.stops(rng), "max_tokens": 32}
    if rng.random() < 0.5:
        body["min_tokens"] = rng.choice([1, 31, 32, 33])
    return Request("stops", "stop strings", route, encode(body))


def guide(rng: random.Random, target: Target) -> Request:
    kind = rng.choice(list(guides.BY_FIELD))
    route = rng.choice([CHAT, COMPLETIONS])
    body = ordinary_body(route, rng, target) | guides.constraint(kind, rng)
    if rng.random() < 0.3:
        body |= rng.choice(
            [{"min_tokens": 8}, {"ignore_eos": True}, {"stop": ["a"]}, {"logprobs": 1}, {"n": 2}, {"temperature": 0}, {"max_tokens": 200}]
        )
    return Request(f"guide:{kind}", f"a hostile {kind}", route, encode(body))
