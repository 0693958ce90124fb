"""Every listener of every topology is known, and none can be reached from another host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import serve
from support.outside import Outside, outside
from support.walk import TOPOLOGIES, render, table, unconfined, walk_served

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def there() -> Iterator[Outside]:
    with outside() as found:
        print(f"outside: {found.kind}")
        yield found


def test_what_is_open_is_found(there: Outside) -> None:
    """Else the test below could not fail."""
    with unconfined() as s:
        port = s.getsockname()[1]
        assert there.answering([port]) == {(address, port) for address in there.addresses}


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_nothing_answers_from_outside(topology: str, tmp_path: Path, cache: Path, there: Outside) -> None:
    with serve(tmp_path, cache, *TOPOLOGIES[topology]) as served:
        rows = walk_served(served, there)
        started = [event for event in served.up.events() if event["event"] == "started"]
    print(render(table(topology, rows)))
    assert [event["node"] for event in started if "unconfined" in event] == [], "the kernel refuses here: add CAP_SYS_PTRACE"
    assert {row.node for row in rows} >= {"frontend"} and len(rows) >= 4
    assert [row for row in rows if row.what is None] == []
    assert [row for row in rows if row.reached] == []


def test_who_opens_the_frontend_opens_nothing_else(tmp_path: Path, cache: Path, there: Outside) -> None:
    with serve(tmp_path, cache, "agg", "frontend.host=0.0.0.0") as served:
        rows = walk_served(served, there)
    assert {(row.node, row.what) for row in rows if row.reached} == {("frontend", "the OpenAI API")}
