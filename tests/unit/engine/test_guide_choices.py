"""Choices become a grammar."""

from __future__ import annotations

import pytest

from armature.engine.guides.choices import grammar, with_grammar
from armature.messages.tokens import GenerateRequest, Guide, Sampling


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        (["a", "b c"], 'root ::= "a" | "b c"'),
        (['say "hi"\\', "a\nb", "é😀", "[x]*"], 'root ::= "say \\"hi\\"\\\\" | "a\\nb" | "é😀" | "[x]*"'),
    ],
)
def test_a_grammar_has_the_literals(choices: list[str], text: str) -> None:
    assert grammar(choices) == text


@pytest.mark.parametrize(
    ("guide", "becomes"),
    [(None, None), (Guide("regex", "a"), Guide("regex", "a")), (Guide("choice", choices=("a",)), Guide("ebnf", 'root ::= "a"'))],
)
def test_only_choices_are_rewritten(guide: Guide | None, becomes: Guide | None) -> None:
    assert with_grammar(GenerateRequest("r", [5], Sampling(guide=guide))).sampling.guide == becomes
