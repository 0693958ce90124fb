"""Counts test cases from JUnit files and from what Bazel reports about its targets: `N passed, N failed`.

`count_tests.py --bazel EVENTS.json --junit FILE ...` exits with 1 when a case failed or when nothing ran. EVENTS.json is
what `bazel test --build_event_json_file=EVENTS.json` wrote: it knows the targets that never got as far as a JUnit file.
Skipped cases are neither passed nor failed, and are named with their reasons.
"""

from __future__ import annotations

import argparse
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse


@dataclass(frozen=True)
class Count:
    """Test cases by outcome. failed and skipped are lines for a reader: the case, and why."""

    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = field(default=())

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def summary(self) -> str:
        """The one line that a machine reads."""
        return f"{self.passed} passed, {len(self.failed)} failed"


def junit(text: str) -> Count:
    """The cases of one JUnit file; every parametrized case is one. Raises ET.ParseError for a file cut off."""
    count = Count()
    for case in ET.fromstring(text).iter("testcase"):
        name = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
        wrong = next((e for tag in ("failure", "error") if (e := case.find(tag)) is not None), None)
        skip = case.find("skipped")
        if wrong is not None:
            count += Count(failed=(f"{name}: {_first_line(wrong)}",))
        elif skip is not None:
            count += Count(skipped=(f"{name}: {_first_line(skip)}",))
        else:
            count += Count(passed=1)
    return count


def _first_line(element: ET.Element) -> str:
    text = (element.get("message") or element.text or "").strip()
    return text.splitlines()[0][:200] if text else "no message"


def junit_file(file: Path) -> Count:
    """The cases of a file. One that is missing or cut off is one failed case: something crashed."""
    try:
        return junit(file.read_text(errors="replace"))
    except (OSError, ET.ParseError) as e:
        return Count(failed=(f"{file}: no whole JUnit file: {e}",))


def bazel(events: Iterable[Mapping[str, Any]]) -> Count:
    """The cases of one `bazel test`, target by target, shard by shard."""
    expected: set[str] = set()
    counts: dict[tuple[str, int, int], Count] = {}
    for event in events:
        kind = event["id"]
        if "targetConfigured" in kind and event.get("configured", {}).get("testSize"):
            expected.add(kind["targetConfigured"]["label"])
        elif "testResult" in kind:
            # A later attempt of the same shard takes the place of an earlier one.
            about = kind["testResult"]
            counts[about["label"], int(about.get("run", 1)), int(about.get("shard", 1))] = _result(about["label"], event["testResult"])
        elif "aborted" in event and (label := _label(kind)):
            expected.add(label)
    ran = {label for label, _, _ in counts}
    missing = Count(failed=tuple(f"{label}: it was not built, or it never ran" for label in sorted(expected - ran)))
    return sum(counts.values(), missing)


def _result(label: str, result: Mapping[str, Any]) -> Count:
    outputs = {o["name"]: unquote(urlparse(o.get("uri", "")).path) for o in result.get("testActionOutput", ())}
    status = result["status"]
    if "test.xml" not in outputs:
        return Count(passed=1) if status == "PASSED" else Count(failed=(f"{label}: {status}, without a JUnit file",))
    count = junit_file(Path(outputs["test.xml"]))
    if status not in ("PASSED", "FLAKY") and not count.failed:
        count += Count(failed=(f"{label}: {status}, though no case failed",))
    return count


def _label(kind: Mapping[str, Any]) -> str | None:
    """The target of an event about something that was given up; None when it is about no target."""
    for name in ("targetCompleted", "targetConfigured", "testSummary"):
        if name in kind:
            return str(kind[name]["label"])
    return None


def read_events(file: Path) -> list[dict[str, Any]]:
    """The events of a file with one JSON object a line; a last line cut off is left out."""
    events = []
    for line in file.read_text().splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return events


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Count test cases.")
    parser.add_argument("--bazel", type=Path, action="append", default=[], metavar="EVENTS.json")
    parser.add_argument("--junit", type=Path, action="append", default=[], metavar="FILE.xml")
    options = parser.parse_args(argv)
    total = sum((bazel(read_events(f)) if f.exists() else Count(failed=(f"{f}: Bazel wrote no events",)) for f in options.bazel), Count())
    total = sum(map(junit_file, options.junit), total)
    for line in total.skipped:
        print(f"skipped  {line}")
    for line in total.failed:
        print(f"FAILED   {line}")
    print(total.summary())
    return int(bool(total.failed) or not total.passed)


if __name__ == "__main__":
    sys.exit(main())
