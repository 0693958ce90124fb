"""The command that a run prints asks its model in a way that the model understands; the README has the same one."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from armature.graph.node import ModelProbe
from armature.launch.asking import command

README = Path(__file__).absolute().parents[3] / "README.md"
URL = "http://127.0.0.1:8000"
BODY = {"model": "m", "prompt": "ready?", "max_tokens": 1}


def probe(path: str = "/v1/completions", files: Path | None = None, model: str = "m") -> ModelProbe:
    return ModelProbe(url=URL, model=model, path=path, body=BODY | {"model": model}, files=files and str(files))


def asked(of: ModelProbe) -> tuple[str, dict[str, object]]:
    """The URL and the body of a pasted command."""
    words = shlex.split("\n".join(command(URL, of)).replace("\\\n", ""))
    return words[2], json.loads(words[-1])


@pytest.mark.parametrize(
    ("files", "chat"),
    [
        pytest.param({"tokenizer_config.json": '{"chat_template": "{{ messages }}"}'}, True, id="in the tokenizer's settings"),
        pytest.param({"tokenizer_config.json": "{}", "chat_template.jinja": "{{ messages }}"}, True, id="in a file of its own"),
        pytest.param({"tokenizer_config.json": '{"chat_template": null}'}, False, id="none"),
        pytest.param({"tokenizer_config.json": "[]"}, False, id="not the tokenizer's settings"),
        pytest.param({}, False, id="no files"),
    ],
)
def test_a_model_is_asked_a_question_only_if_it_has_a_chat_template(files: dict[str, str], chat: bool, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    url, body = asked(probe(files=tmp_path))
    assert (url, "messages" in body) == (f"{URL}/v1/{'chat/completions' if chat else 'completions'}", chat)


def test_another_route_is_asked_as_the_probe_asks_it() -> None:
    assert asked(probe("/v1/embeddings")) == (f"{URL}/v1/embeddings", BODY)


def test_any_name_of_a_model_can_be_pasted() -> None:
    assert asked(probe(model='it\'s "é" $HOME'))[1]["model"] == 'it\'s "é" $HOME'


def test_the_readme_has_the_command_that_its_first_run_prints(tmp_path: Path) -> None:
    text = README.read_text()
    model = re.search(r"deploy:agg -- \+model=(\S+)", text)
    shown = re.search(r"^ *(curl -s .*\\\n(?: .*\\\n)* .*)$", text, re.MULTILINE)
    assert model and shown
    (tmp_path / "chat_template.jinja").touch()
    printed = command(URL, probe(files=tmp_path, model=model[1]))
    assert [line.split() for line in shown[1].splitlines()] == [line.split() for line in printed]
