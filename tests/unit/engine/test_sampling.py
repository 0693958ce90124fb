"""Sampling options in SGLang's words."""

from __future__ import annotations

import pytest

from armature.engine.sampling import sampling_params
from armature.messages.tokens import Guide, Sampling


def test_without_options_only_the_length_is_given() -> None:
    assert sampling_params(Sampling()) == {"max_new_tokens": None}


@pytest.mark.parametrize(
    ("sampling", "name", "value"),
    [
        (Sampling(max_tokens=7), "max_new_tokens", 7),
        (Sampling(min_tokens=3), "min_new_tokens", 3),
        (Sampling(temperature=0.0), "temperature", 0.0),
        (Sampling(top_p=0.5), "top_p", 0.5),
        (Sampling(top_k=4), "top_k", 4),
        (Sampling(min_p=0.1), "min_p", 0.1),
        (Sampling(frequency_penalty=0.2), "frequency_penalty", 0.2),
        (Sampling(presence_penalty=0.3), "presence_penalty", 0.3),
        (Sampling(repetition_penalty=1.1), "repetition_penalty", 1.1),
        (Sampling(seed=5), "sampling_seed", 5),
        (Sampling(stop=("a", "b")), "stop", ["a", "b"]),
        (Sampling(stop_token_ids=(1, 2)), "stop_token_ids", [1, 2]),
        (Sampling(ignore_eos=True), "ignore_eos", True),
        (Sampling(guide=Guide("regex", "a+")), "regex", "a+"),
        (Sampling(guide=Guide("json_schema", "{}")), "json_schema", "{}"),
        (Sampling(guide=Guide("ebnf", "root ::= a")), "ebnf", "root ::= a"),
        (Sampling(guide=Guide("structural_tag", "{}")), "structural_tag", "{}"),
    ],
)
def test_each_option_has_its_name(sampling: Sampling, name: str, value: object) -> None:
    assert sampling_params(sampling) == {"max_new_tokens": None} | {name: value}


def test_outputs_of_one_seed_have_seeds_of_their_own() -> None:
    assert [sampling_params(Sampling(seed=5, n=3), i)["sampling_seed"] for i in range(3)] == [5, 6, 7]
