"""Any text becomes one path component: safe, bounded, and another one for another text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from armature.naming import LONGEST, component, distinct

ANY = st.one_of(
    st.text(st.characters(exclude_categories=())),  # lone surrogates, too: words that are not UTF-8
    st.text("aA-._/\\ =\0\n~$", max_size=12),
    st.text("xyz/", min_size=LONGEST - 5, max_size=3 * LONGEST),
)
NASTY = (
    "",
    ".",
    "..",
    "../../../x",
    "/models/org/M",
    "a/b",
    "~",
    "-rf",
    ".hidden",
    "a.",
    "CON\n",
    "é",
    "模型",
    "\udcff",
    "x" * 5000,
    "a\0b",
)


@given(ANY)
@example("..")
def test_a_component_is_safe(text: str) -> None:
    made = component(text)
    assert re.fullmatch(r"[A-Za-z0-9_=,@+][A-Za-z0-9._=,@+-]*", made)
    assert len(made.encode()) <= LONGEST and not made.endswith(".")
    parent = Path("/runs")
    assert (parent / made).parent == parent == Path(f"{parent}/{made}/..").resolve()


@given(ANY)
def test_a_component_stays_as_it_is(text: str) -> None:
    assert component(component(text)) == component(text)


@given(ANY, ANY)
@example("a/b", "a_b")
@example("a/b", "a\\b")
@example("", ".")
def test_different_texts_have_different_components(one: str, other: str) -> None:
    if component(one) == component(other):
        assert one == other or one == component(other) or other == component(one)


@pytest.mark.parametrize("text", ["agg-tiny-qwen3", "Qwen3-0.6B", "load.rate=2,load.input=128", "Qwen--Qwen3-0.6B@main"])
def test_a_text_that_is_a_component_loses_nothing(text: str) -> None:
    assert component(text) == text


@pytest.mark.parametrize(("text", "remains"), [("/models/org/M", "models_org_M-"), ("café au lait", "cafe_au_lait-"), ("模型-7b", "7b-")])
def test_what_can_be_read_stays(text: str, remains: str) -> None:
    assert component(text).startswith(remains)


@pytest.mark.parametrize("longest", [16, 40, 255])
@given(text=ANY)
def test_the_bound_can_be_chosen(longest: int, text: str) -> None:
    assert len(component(text, longest)) <= longest


def test_names_are_told_apart_where_file_systems_do_not_tell_case() -> None:
    texts = [*NASTY, "A", "a", "a/b", "A/b"]
    names = distinct(list(dict.fromkeys(texts)))
    assert len({name.casefold() for name in names}) == len(names)
    assert distinct(["agg", "disagg"]) == ["agg", "disagg"]
