"""Prompts: of the asked length, the same for a seed, and alike only where they are meant to be."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from armature_load.lanes import Lane, Share, lanes
from armature_load.prompts import BLOCK, PIECES, Corpus
from armature_load.reading import SettingsError
from armature_load.requests import Maker, Turn
from armature_load.settings import from_data
from armature_load.trace import read_trace


def made_lanes(**data: Any) -> tuple[Lane, ...]:
    settings = from_data(data)
    return lanes(settings, tuple(Maker(c, settings, "m", Corpus(settings.seed, c.kind, settings.id_range)) for c in settings.classes))


def body(lane: Lane, number: int, phase: str = "measure", turn: int = 0, history: tuple[Turn, ...] = ()) -> dict[str, Any]:
    return dict(json.loads(lane.request(number, phase, turn, history).body))


def trace_file(folder: Path, *requests: dict[str, Any]) -> str:
    file = folder / "trace.jsonl"
    file.write_text("\n".join(map(json.dumps, requests)))
    return str(file)


@pytest.mark.parametrize("tokens", [1, 3, 4, 5, 1000, PIECES + 7])
def test_a_prompt_of_ids_has_exactly_its_tokens(tokens: int) -> None:
    (lane,) = made_lanes(classes=[{"input": str(tokens)}], id_range=[100, 200])
    prompt = body(lane, 0)["prompt"]
    assert len(prompt) == tokens and set(prompt) <= set(range(100, 201))


@pytest.mark.parametrize("user", ["chat", "multimodal", "images"])
def test_a_prompt_of_words_has_as_many(user: str) -> None:
    (lane,) = made_lanes(classes=[{"user": user, "input": "50", "images": 2}])
    data = body(lane, 0)
    content = data["messages"][0]["content"] if "messages" in data else data["prompt"]
    text = content if isinstance(content, str) else content[-1]["text"]
    assert len(text.split()) == 50


def test_images_are_whole_and_differ() -> None:
    (lane,) = made_lanes(classes=[{"user": "multimodal", "images": 2, "image_size": "5x3"}])
    urls = [part["image_url"]["url"] for part in body(lane, 0)["messages"][0]["content"][:2]]
    assert urls[0] != urls[1] and all(url.startswith("data:image/png;base64,") for url in urls)


def test_a_seed_decides_every_prompt() -> None:
    one, same, other = (made_lanes(seed=seed, classes=[{"input": "uniform:5:50"}])[0] for seed in (1, 1, 2))
    assert [body(one, n) for n in range(20)] == [body(same, n) for n in range(20)]
    assert all(body(one, n)["prompt"] != body(other, n)["prompt"] for n in range(20))


def test_no_two_prompts_begin_alike() -> None:
    (lane,) = made_lanes(classes=[{"input": "64"}])
    heads = {tuple(body(lane, n, phase)["prompt"][:16]) for n in range(2000) for phase in ("warmup", "measure")}
    assert len(heads) == 4000


def test_prefixes_are_shared_within_their_group_alone() -> None:
    (lane,) = made_lanes(classes=[{"input": "10", "prefix": {"groups": 3, "length": 40}}])
    prompts = [body(lane, n)["prompt"] for n in range(60)]
    assert all(len(p) == 50 for p in prompts)
    assert len({tuple(p[:40]) for p in prompts}) == 3
    assert len({tuple(p[40:]) for p in prompts}) == 60


def test_a_conversation_grows_by_what_was_said() -> None:
    (lane,) = made_lanes(classes=[{"user": "chat", "turns": 2, "input": "3"}])
    first = lane.request(0, "measure")
    messages = body(lane, 0, turn=1, history=(Turn(first.content, 'said "so"'),))["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"] == json.loads(first.content) and messages[1]["content"] == 'said "so"'
    assert messages[2]["content"] != messages[0]["content"]


def test_weights_are_kept() -> None:
    (lane,) = made_lanes(classes=[{"name": "a", "weight": 3}, {"name": "b", "weight": 1}])
    titles = [lane.request(n, "measure").title for n in range(4000)]
    assert titles.count("a") / 4000 == pytest.approx(0.75, abs=0.03)


def test_classes_with_shapes_are_lanes_of_their_own() -> None:
    found = made_lanes(
        classes=[{"name": "a", "shape": {"kind": "open", "rate": 2}, "count": 5}, {"name": "b"}, {"name": "c"}], end={"time_s": 1}
    )
    assert [(x.name, x.shape.kind, len(x.makers), x.count) for x in found] == [("shared", "closed", 2, None), ("a", "open", 1, 5)]


def test_a_traces_equal_blocks_are_equal_tokens(tmp_path: Path) -> None:
    file = trace_file(
        tmp_path,
        {"timestamp": 3000, "input_length": 700, "output_length": 4, "hash_ids": [7, 9]},
        {"timestamp": 1000, "input_length": 1024, "output_length": 6, "hash_ids": [7, 8]},
    )
    (lane,) = made_lanes(shape={"kind": "trace", "trace": file, "speed": 2.0})
    first, second = body(lane, 0), body(lane, 1)
    assert list(lane.due()) == [(0, 0.0), (1, 1.0)]
    assert (len(first["prompt"]), first["max_tokens"], len(second["prompt"]), second["max_tokens"]) == (1024, 6, 700, 4)
    assert first["prompt"][:BLOCK] == second["prompt"][:BLOCK]
    assert first["prompt"][BLOCK:700] != second["prompt"][BLOCK:]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "line 2"),
        ('{"timestamp": 1}', "line 2"),
        ('{"timestamp": 1, "input_length": 600, "output_length": 1, "hash_ids": [1]}', "2 blocks"),
        ('{"timestamp": 1, "input_length": 0, "output_length": 1, "hash_ids": []}', "at least 1"),
    ],
)
def test_a_broken_trace_is_named_with_its_line(tmp_path: Path, line: str, what: str) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text('{"timestamp": 0, "input_length": 5, "output_length": 1, "hash_ids": [1]}\n' + line)
    with pytest.raises(SettingsError, match=what):
        read_trace(str(file), 1.0)


def test_open_loops_share_their_requests_by_number() -> None:
    (lane,) = made_lanes(shape={"kind": "open", "rate": 10}, end={"count": 30})
    every = list(lane.due())
    parts = [[(n, t) for n, t in lane.due() if Share(p, 2).has(n)] for p in range(2)]
    assert sorted(parts[0] + parts[1]) == every and len(every) == 30


def test_a_long_prompt_costs_microseconds() -> None:
    (lane,) = made_lanes(classes=[{"input": "8192"}])
    lane.request(0, "measure")
    took = []
    for n in range(50):
        began = time.perf_counter()
        lane.request(n, "measure")
        took.append(time.perf_counter() - began)
    assert min(took) < 200e-6  # encoding 8,192 ids takes more than a millisecond
