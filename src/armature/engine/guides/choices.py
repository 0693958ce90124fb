"""A choice as a grammar, because SGLang knows no choices. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from armature.messages.tokens import GenerateRequest, Guide


def with_grammar(request: GenerateRequest) -> GenerateRequest:
    """`request` with a grammar in place of its choices."""
    guide = request.sampling.guide
    if guide is None or guide.kind != "choice":
        return request
    return replace(request, sampling=replace(request.sampling, guide=Guide("ebnf", grammar(guide.choices))))


def grammar(choices: Sequence[str]) -> str:
    """An EBNF grammar whose only sentences are `choices`.

    A grammar and not a regular expression, because a string literal needs few escapes, and they are JSON's: backslash,
    quote and control characters. Other characters stand for themselves.
    """
    return "root ::= " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
