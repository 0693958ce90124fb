"""When a soak is broken: processes, answers, memory."""

from __future__ import annotations

import json
import mmap
import os
from collections import Counter
from pathlib import Path

import pytest

from support.hostile import judge
from support.hostile.client import Answer, End
from support.hostile.fields import COMPLETIONS
from support.hostile.mix import Attack, Fault, Log, Sent, outcome
from support.hostile.oracle import Case, mistake
from support.hostile.request import Request
from support.hostile.target import Target
from support.hostile.watch import Watch, by_minute, growth, started

SENT = Request("field:seed", "", COMPLETIONS, b"{}")


def watch(**memory: list[float]) -> Watch:
    made = Watch({})
    made.memory = {node: [(2.0 * i, mib) for i, mib in enumerate(values)] for node, values in memory.items()}
    return made


def log(**more: object) -> Log:
    return Log(Target("m"), Attack(60), sent=1, beside_s=[0.1, 0.2], **more)  # type: ignore[arg-type]


def failed(status: int, text: str = "") -> Sent:
    return Sent(3, 1.0, SENT, Answer(End.ANSWERED, status, body=text.encode()))


def test_nothing_broken() -> None:
    assert judge.broken(log(), watch(worker=[700.0] * 40)) == []


@pytest.mark.parametrize(("status", "allowed"), [(500, False), (502, False), (504, False), (501, True), (503, True), (529, True)])
def test_a_5xx_needs_a_known_cause(status: int, allowed: bool) -> None:
    found = judge.broken(log(failures=[failed(status)]), watch())
    assert (found == []) is allowed
    assert allowed or f"1 of field:seed got {status}" in found[0]


def test_a_fault_is_a_broken_promise_and_names_its_suspects() -> None:
    one = log(faults=[Fault("ended: worker-0", 3.5, (failed(0),))])
    assert judge.broken(one, watch()) == ["at 3.5 s: ended: worker-0"]
    assert judge.reproductions(one)[0]["suspects"][0]["number"] == 3


def test_a_run_that_sent_or_answered_nothing_proves_nothing() -> None:
    assert len(judge.broken(Log(Target("m"), Attack(60)), watch())) == 2


def test_memory_that_fills_at_first_and_has_peaks_is_flat() -> None:
    filling = [400.0 + 20 * min(i, 20) for i in range(100)]
    filling[60] = filling[90] = 1500.0
    assert growth([(2.0 * i, mib) for i, mib in enumerate(filling)]).flat


def test_memory_that_grows_is_named_with_its_slope() -> None:
    [line] = judge.broken(log(), watch(worker=[700.0 + i for i in range(100)], frontend=[80.0] * 100))
    assert line.startswith("memory of worker grew from 737.0 to 787.0 MiB") and "30.0 MiB a minute" in line
    assert judge.broken(log(), watch(worker=[700.0 + i for i in range(100)]), memory=False) == []


def test_few_samples_are_no_judgement() -> None:
    with pytest.raises(ValueError, match="too few"):
        growth([(0.0, 1.0)] * 7)


def test_a_process_that_lives_and_one_that_has_ended() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # a zombie counts as ended
    living, dead = Watch({"me": os.getpid()}), Watch({"child": child})
    os.waitpid(child, 0)
    assert not [p for p in living.ended() if p.node == "me" and p.process.pid == os.getpid()]
    assert [p.node for p in dead.ended()] == ["child"]


def test_nodes_that_run_are_those_started_last() -> None:
    events = [("started", "model", 1), ("exited", "model", 0), ("started", "w", 2), ("exited", "w", 0), ("started", "w", 3)]
    assert started({"event": event, "node": node, "pid": pid} for event, node, pid in events) == {"w": 3}


def answer(body: bytes, status: int = 200, end: End = End.ANSWERED) -> Answer:
    return Answer(end, status, body=body)


def test_classes_of_answers() -> None:
    assert outcome(answer(b"{}")) == "200" and outcome(answer(b"", 400)) == "400"
    assert outcome(answer(b'data: {"error":{"code":500}}\n\n')) == "200 error"
    assert outcome(answer(b"", 0, End.DROPPED)) == End.DROPPED


CHOICE = {"index": 0, "text": "x", "finish_reason": "length"}


@pytest.mark.parametrize(
    ("got", "wrong"),
    [
        (answer(json.dumps({"choices": [CHOICE]}).encode()), None),
        (answer(json.dumps({"choices": [CHOICE | {"text": "y"}]}).encode()), "text 'y'"),
        (answer(json.dumps({"choices": []}).encode()), "0 outputs"),
        (answer(b"{"), "cannot be read"),
        (answer(b"busy", 503), "status 503: busy"),
        (answer(b"", 0, End.LATE), str(End.LATE)),
    ],
)
def test_an_ordinary_answer_is_right_or_its_mistake_is_told(got: Answer, wrong: str | None) -> None:
    case = Case("c", COMPLETIONS, {}, lambda reading: None if reading.text == "x" else f"text {reading.text!r}")
    found = mistake(case, got)
    assert found == wrong if wrong is None else found is not None and wrong in found


@pytest.mark.parametrize("tail", ["data: [DONE]\n\n", ""])
def test_a_stream_is_whole_only_with_its_end(tail: str) -> None:
    body = f"data: {json.dumps({'choices': [CHOICE]})}\n\n{tail}".encode()
    case = Case("c", COMPLETIONS, {"stream": True}, lambda reading: None)
    assert (mistake(case, answer(body)) is None) is bool(tail)


def test_a_record_is_a_page() -> None:
    attacked = log(outcomes={"field:seed": Counter({"200": 2, "400": 3, "503": 1, str(End.LATE): 1})}, faults=[Fault("ended: worker", 2.0)])
    found = judge.record(attacked, watch(worker=[700.0] * 40))
    page = judge.page({"hardware": {"cores": 2}, "minutes": 1, "topologies": {"agg": json.loads(json.dumps(found))}})
    assert "| agg | 1 | 2 | 3 | 1 | 0 | 1 | 0 | 2 |" in page
    assert "| agg worker | 700.0 | 700.0 | 0.0 | yes |" in page
    assert "- agg: at 2.0 s: ended: worker" in page


def test_memory_by_minute_shows_a_step_as_a_step() -> None:
    points = [(100 + 20.0 * i, 500.0 if i < 4 else 550.0) for i in range(9)]
    assert by_minute(points) == [500.0, 550.0, 550.0]


def test_what_a_process_takes_is_counted_and_what_it_maps_of_a_file_is_not(tmp_path: Path) -> None:
    """The share of a mapped file depends on who else maps it."""

    def taken() -> float:
        watch.sample()
        return watch.memory["me"][-1][1]

    watch = Watch({"me": os.getpid()})
    before = taken()
    (file := tmp_path / "library").write_bytes(b"x" * (64 << 20))
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped.find(b"y") == -1
        with_file = taken()
    own = bytearray(os.urandom(64 << 20))
    with_own = taken()
    assert len(own) and with_file - before < 16 < 48 < with_own - before
