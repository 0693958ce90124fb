"""Counting test cases: what passed, what failed, and what never got as far as a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from count_tests import Count, bazel, junit, main

CASES = """\
<testsuites><testsuite name="pytest">
<testcase classname="tests.a" name="test_one[1]"/>
<testcase classname="tests.a" name="test_one[2]"/>
<testcase classname="tests.a" name="test_two"><failure message="assert 1 == 2&#10;more">trace</failure></testcase>
<testcase classname="tests.a" name="test_three"><error message="fixture broke"/></testcase>
<testcase classname="tests.a" name="test_four"><skipped message="no nix"/></testcase>
</testsuite></testsuites>
"""
GOOD = '<testsuite><testcase name="x"/><testcase name="y"/></testsuite>'


def configured(label: str) -> dict[str, object]:
    return {"id": {"targetConfigured": {"label": label}}, "configured": {"targetKind": "py_test rule", "testSize": "SMALL"}}


def result(label: str, status: str, xml: Path | None, shard: int = 1, attempt: int = 1) -> dict[str, object]:
    outputs = [{"name": "test.xml", "uri": xml.as_uri()}] if xml else []
    about = {"label": label, "run": 1, "shard": shard, "attempt": attempt}
    return {"id": {"testResult": about}, "testResult": {"status": status, "testActionOutput": outputs}}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "with space" / "test.xml"
    file.parent.mkdir()
    file.write_text(GOOD)
    return file


def test_parametrized_cases_are_counted_each() -> None:
    assert junit(CASES) == Count(
        passed=2,
        failed=("tests.a::test_two: assert 1 == 2", "tests.a::test_three: fixture broke"),
        skipped=("tests.a::test_four: no nix",),
    )


def test_shards_add_up(good: Path) -> None:
    events = [configured("//a"), result("//a", "PASSED", good, shard=1), result("//a", "PASSED", good, shard=2)]
    assert bazel(events) == Count(passed=4)


def test_a_later_attempt_takes_the_place_of_an_earlier_one(good: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_text(CASES)
    events = [configured("//a"), result("//a", "FAILED", bad, attempt=1), result("//a", "PASSED", good, attempt=2)]
    assert bazel(events) == Count(passed=2)


def test_a_crash_without_a_report_is_one_failure() -> None:
    events = [configured("//a"), result("//a", "FAILED", None)]
    assert bazel(events).summary() == "0 passed, 1 failed"


def test_a_report_cut_off_is_one_failure(tmp_path: Path) -> None:
    cut = tmp_path / "cut.xml"
    cut.write_text(CASES[:120])
    assert bazel([configured("//a"), result("//a", "TIMEOUT", cut)]).summary() == "0 passed, 1 failed"


def test_a_target_that_failed_after_its_cases_passed_is_a_failure(good: Path) -> None:
    assert bazel([configured("//a"), result("//a", "TIMEOUT", good)]).summary() == "2 passed, 1 failed"


def test_a_target_that_was_never_built_is_a_failure(good: Path) -> None:
    aborted = {"id": {"targetCompleted": {"label": "//c"}}, "aborted": {"reason": "ANALYSIS_FAILURE"}}
    events = [configured("//a"), configured("//b"), result("//a", "PASSED", good), aborted]
    count = bazel(events)
    assert count.passed == 2
    assert count.failed == ("//b: it was not built, or it never ran", "//c: it was not built, or it never ran")


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [(GOOD, "2 passed, 0 failed", 0), (CASES, "2 passed, 2 failed", 1), ("<testsuite/>", "0 passed, 0 failed", 1)],
)
def test_the_last_line_and_the_exit_code(
    text: str, line: str, code: int, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, events = tmp_path / "report.xml", tmp_path / "events.json"
    report.write_text(text)
    assert main(["--junit", str(report)]) == code
    assert capsys.readouterr().out.splitlines()[-1] == line
    events.write_text("\n".join(json.dumps(e) for e in [configured("//a"), result("//a", "PASSED", good)]) + '\n{"id": cut off')
    assert main(["--bazel", str(events), "--junit", str(report)]) == int(code and text == CASES)


def test_events_that_were_never_written_are_a_failure(tmp_path: Path) -> None:
    assert main(["--bazel", str(tmp_path / "none.json")]) == 1
