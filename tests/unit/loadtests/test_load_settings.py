"""What a user sets: typed, checked, and named in every error."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from armature_load import lengths, options
from armature_load.draws import Draw
from armature_load.reading import SettingsError
from armature_load.settings import Settings, from_data


def resolve(*words: str) -> Settings:
    parser = argparse.ArgumentParser()
    options.add(parser)
    return options.resolve(parser.parse_args(words))


def test_without_any_setting_there_is_a_load() -> None:
    assert resolve() == Settings()


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["--rate", "fast"], "--rate"),
        (["--rate", "-1"], "--rate"),
        (["--concurrency", "0"], "--concurrency"),
        (["--concurrency", "2", "--rate", "1"], "--rate and --concurrency"),
        (["--input", "uniform:9:3"], "--input"),
        (["--output", "gauss:3"], "--output"),
        (["--output", "0"], "--output"),
        (["--load-user", "audio"], "--load-user"),
        (["--load-user", "chat", "--prompt-kind", "ids"], "--prompt-kind"),
        (["--turns", "2"], "--turns"),
        (["--known", "ttft:2"], "--known"),
        (["--known", "ttft"], "--known"),
        (["--known", "ttft:0.1", "--stream", "false"], "--known"),
        (["--id-range", "9:3"], "--id-range"),
        (["--steps", "1:2,3"], "--steps"),
        (["--steps", "1:2", "--concurrency", "2"], "--steps"),
        (["--image-size", "64"], "--image-size"),
        (["--headers", "nothing"], "--headers"),
        (["--prefix-groups", "2"], "--prefix-length"),
        (["--max-in-flight", "0"], "--max-in-flight"),
        (["--shape", "open"], "--rate"),
    ],
)
def test_a_wrong_option_is_named(words: list[str], field: str) -> None:
    with pytest.raises(SettingsError) as e:
        resolve(*words)
    assert e.value.field == field


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"sede": 1}, "sede"),
        ({"seed": "1"}, "seed"),
        ({"seed": True}, "seed"),
        ({"shape": {"kind": "square"}}, "shape.kind"),
        ({"shape": {"rate": 2}}, "shape.rate"),
        ({"shape": {"kind": "trace"}}, "shape.trace"),
        ({"classes": []}, "classes"),
        ({"classes": [{"user": "chat"}, {"user": "chat"}]}, "classes[0].name"),
        ({"classes": [{"user": "chat"}, {"user": "images", "weight": 0}]}, "classes[1].weight"),
        ({"classes": [{"user": "chat", "shape": {"concurrency": 2}}], "end": {"count": 4}}, "end.count"),
        ({"classes": [{"count": 4}]}, "classes[0].count"),
        ({"end": {"time_s": 0}}, "end.time_s"),
        ({"limits": {"cpu": 0}}, "limits.cpu"),
        ({"warmup": 3}, "warmup"),
    ],
)
def test_a_wrong_field_is_named(data: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsError) as e:
        from_data(data)
    assert e.value.field == field


def test_a_misspelt_field_gets_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match=r"shape\.concurency.*did you mean concurrency"):
        from_data({"shape": {"concurency": 3}})


def test_options_change_the_file(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    file.write_text(json.dumps({"seed": 3, "shape": {"concurrency": 4}, "classes": [{"user": "chat", "output": "9"}]}))
    settings = resolve("--load-settings", str(file), "--rate", "5", "--output", "7")
    assert (settings.seed, settings.shape.kind, settings.shape.rate) == (3, "open", 5.0)
    assert (settings.classes[0].user, settings.classes[0].output) == ("chat", "7")


def test_settings_may_stand_on_the_command_line() -> None:
    settings = resolve("--load-settings", '{"seed": 3, "shape": {"concurrency": 4}}', "--output", "7")
    assert (settings.seed, settings.shape.concurrency, settings.classes[0].output) == (3, 4, "7")
    with pytest.raises(SettingsError, match="not JSON"):
        resolve("--load-settings", '{"seed": 3')
    with pytest.raises(SettingsError, match=r"^shape\.rate"):
        resolve("--load-settings", '{"shape": {"rate": 4}}')


def test_an_option_of_one_class_cannot_mean_several(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    file.write_text(json.dumps({"classes": [{"user": "chat"}, {"user": "images"}]}))
    with pytest.raises(SettingsError, match="several classes") as e:
        resolve("--load-settings", str(file), "--output", "7")
    assert e.value.field == "--output"


@pytest.mark.parametrize(("text", "what"), [("{", "is not JSON"), ("[]", "not a JSON object"), (None, "cannot be read")])
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str | None, what: str) -> None:
    file = tmp_path / "load.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=what) as e:
        resolve("--load-settings", str(file))
    assert str(file) in str(e.value)


def test_what_is_written_down_can_be_read_again_and_hides_secrets() -> None:
    settings = resolve(
        "--rate",
        "3",
        "--known",
        "e2e:0.1",
        "--headers",
        '{"Authorization": "Bearer secret"}',
        "--prefix-groups",
        "2",
        "--prefix-length",
        "9",
    )
    shown = settings.shown()
    assert "secret" not in json.dumps(shown)
    assert from_data(shown | {"headers": settings.headers}) == settings


@pytest.mark.parametrize(
    ("text", "low", "high"), [("7", 7, 7), ("constant:7", 7, 7), ("uniform:3:5", 3, 5), ("lognormal:50:0.5:80", 1, 80)]
)
def test_lengths_keep_their_bounds(text: str, low: int, high: int) -> None:
    length = lengths.parse(text)
    drawn = [length.draw(Draw("test", i), 0) for i in range(2000)]
    assert min(drawn) >= low and max(drawn) <= high
    assert len(set(drawn)) > 1 or low == high


def test_lognormal_means_the_tokens_mean() -> None:
    length = lengths.parse("lognormal:500:0.6")
    drawn = [length.draw(Draw("test", i), 1) for i in range(20_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(500, rel=0.03)
