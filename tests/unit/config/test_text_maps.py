"""Mappings from names to text: numbers and booleans are the text that was typed, null takes a value back."""

from __future__ import annotations

import typing
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from armature.config.compose import compose
from armature.config.fields import is_text
from armature.config.launcher import SlurmJobs
from armature.config.schema import Deployment
from armature.config.section import Text, TextMap, merged
from armature.errors import UserError

FIELDS = ("hardware.env", "topology.roles.worker.env")


def mappings(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, object]]:
    """Every mapping below `section`, also in unions, lists and mappings: its path and the type of its values."""
    for name, field in section.model_fields.items():
        yield from _inside(field.annotation, f"{path}{name}")


def _inside(annotation: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from mappings(annotation, path + ".")
        return
    if typing.get_origin(annotation) is dict:
        yield path, typing.get_args(annotation)[1]
    if annotation != Text:
        for inner in typing.get_args(annotation):
            yield from _inside(inner, path)


def test_no_mapping_takes_text_alone() -> None:
    """A plain dict[str, str] would refuse X=12: TextMap is the one type of such mappings."""
    found = [*mappings(Deployment), *mappings(SlurmJobs)]
    assert {path for path, value in found if value == Text} == {"hardware.env", "topology.roles.env"}
    assert [path for path, value in found if value is str or value == (str | None)] == []


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("12", "12"),
        ("010", "010"),
        ("0.10", "0.10"),
        ("1e3", "1e3"),
        ("1_000", "1_000"),
        ("true", "true"),
        ("True", "True"),
        ("FALSE", "FALSE"),
        ("yes", "yes"),
        ("inf", "inf"),
        ("-5", "-5"),
        ("'a b'", "a b"),
        ("'12'", "12"),
        ("a/b", "a/b"),
        ("", ""),
    ],
)
def test_a_value_is_the_text_that_was_typed(field: str, typed: str, text: str) -> None:
    assert is_text(f"{field}.X".split("."))
    deployment = compose(["model=tiny-qwen3", f"{field}.X={typed}"]).deployment
    assert deployment.worker_env("worker")["X"] == text


@pytest.mark.parametrize(("value", "text"), [(12, "12"), (0.5, "0.5"), (True, "true"), (False, "false"), ("x", "x"), (None, None)])
def test_a_value_of_a_file_is_as_yaml_writes_it(value: object, text: str | None) -> None:
    from pydantic import TypeAdapter

    assert TypeAdapter(TextMap).validate_python({"X": value}) == {"X": text}


def test_null_removes_a_variable() -> None:
    words = [
        "model=tiny-qwen3",
        "hardware.env.X=1",
        "hardware.env.Y=2",
        "topology.roles.worker.env.X=null",
        "topology.roles.worker.env.Z=3",
    ]
    assert compose(words).deployment.worker_env("worker") == {"Y": "2", "Z": "3"}
    assert merged({"a": "1", "b": "2"}, {"a": None}, {"b": "3"}) == {"b": "3"}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("value", "kind"), [("[1,2]", "a list"), ("{a: 1}", "a mapping")])
def test_what_is_no_text_is_refused_with_how_to_quote_it(field: str, value: str, kind: str) -> None:
    with pytest.raises(UserError) as caught:
        compose(["model=tiny-qwen3", f"{field}.X={value}"])
    error = caught.value
    assert (error.what, error.where) == (f"{field}.X: got {kind}", f"the override '{field}.X={value}'")
    assert error.fix == f"quote it: \"{field}.X='{value}'\""
    quoted = error.fix.removeprefix('quote it: "').removesuffix('"')
    assert compose(["model=tiny-qwen3", quoted]).deployment.worker_env("worker")["X"] == value


def test_a_group_that_does_not_exist_is_not_made_by_its_environment() -> None:
    with pytest.raises(UserError, match=r"topology\.roles\.wrker: there is no such field"):
        compose(["model=tiny-qwen3", "topology.roles.wrker.env.X=1"])


def test_pydantic_refuses_what_a_section_refuses() -> None:
    with pytest.raises(ValidationError):
        Deployment.model_validate({})
