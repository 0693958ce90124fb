"""docs/reference/requests.md: what it says of each field is what the frontend and a worker do."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from openai.resources.chat.completions import Completions as Chats
from openai.resources.completions import Completions
from openai.resources.responses import Responses
from processes import NAME, Answer, Pair, call, chat

PAGE = Path(__file__).absolute().parents[3] / "docs" / "reference" / "requests.md"
PLAIN: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": chat(),
    "/v1/completions": {"model": NAME, "prompt": "hi", "max_tokens": 4},
    "/v1/responses": {"model": NAME, "input": "hi"},
    "/v1/messages": {"model": NAME, "messages": chat()["messages"], "max_tokens": 4},
}
# What differs between two answers to one request.
_OWN = re.compile(r'"(id|created|created_at|completed_at|item_id|request_received_ms)":("[^"]*"|[\d.]+)|(resp|msg)_[0-9a-f]+')


class Line(NamedTuple):
    """One field as the page has it. example: a part of a body, whose last key is the field."""

    route: str
    field: str
    example: dict[str, Any]
    becomes: str


def lines() -> list[Line]:
    found, route = [], ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            route = line[3:]
        elif route in PLAIN and (match := re.fullmatch(r"\| `(\w+)` \| `(\{.*\})` \| (\w+) \| .*\|", line)):
            found.append(Line(route, match[1], json.loads(match[2]), match[3]))
    return found


def ask(pair: Pair, route: str, body: dict[str, Any]) -> tuple[Answer, list[dict[str, Any]]]:
    """The answer, and the requests that reached the worker."""
    before = len(pair.worker.events("request"))
    answer = call(pair.frontend.port, route, body)
    return answer, [event["raw"] for event in pair.worker.events("request")[before:]]


@pytest.mark.parametrize("line", lines(), ids=lambda line: f"{line.route}-{json.dumps(line.example)[:60]}")
def test_a_field_becomes_what_the_page_says(one_pair: Pair, line: Line) -> None:
    assert list(line.example)[-1] == line.field
    without = PLAIN[line.route] | {k: v for k, v in line.example.items() if k != line.field}
    if line.field == "max_completion_tokens":
        del without["max_tokens"]
    plain, plain_requests = ask(one_pair, line.route, without)
    answer, requests = ask(one_pair, line.route, without | line.example)
    request_differs = requests != plain_requests
    answer_differs = _OWN.sub("", answer.body) != _OWN.sub("", plain.body)
    assert plain.status == 200, plain.body
    match line.becomes:
        case "refused":
            assert answer.status in (400, 501), answer.body
            assert answer.json["message"]
        case "honoured":
            assert answer.status == 200, answer.body
            assert request_differs or answer_differs
        case "shown":
            assert (answer.status, request_differs, answer_differs) == (200, False, True), answer.body
        case "ignored":
            assert (answer.status, request_differs, answer_differs) == (200, False, False), answer.body
        case other:
            raise AssertionError(f"the page says {other!r}")


@pytest.mark.parametrize(
    ("route", "create"),
    [("/v1/chat/completions", Chats.create), ("/v1/completions", Completions.create), ("/v1/responses", Responses.create)],
)
def test_every_field_of_the_official_client_is_on_the_page(route: str, create: Any) -> None:
    own = {"self", "extra_headers", "extra_query", "extra_body", "timeout", "model", "messages", "prompt", "input"}
    named = {line.field for line in lines() if line.route == route}
    assert set(inspect.signature(create).parameters) - own <= named
