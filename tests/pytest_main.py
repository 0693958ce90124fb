"""Runs pytest on one folder under Bazel: its JUnit file, --test_filter and shards are pytest's.

`pytest_main.py FOLDER` from the repository's root. Without Bazel: `pytest FOLDER`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Shard:
    """A pytest plugin that keeps every `count`-th test, from the `index`-th on."""

    index: int
    count: int

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        others = [item for i, item in enumerate(items) if i % self.count != self.index]
        config.hook.pytest_deselected(items=others)
        items[:] = items[self.index :: self.count]


def options(environ: Mapping[str, str]) -> list[str]:
    """What Bazel asks of a test, as pytest's options. JUnit lists every test, also those that Bazel's own report would not."""
    chosen = ["-c", "pyproject.toml", "-p", "no:cacheprovider"]
    if report := environ.get("XML_OUTPUT_FILE"):
        chosen.append(f"--junitxml={report}")
    if pattern := environ.get("TESTBRIDGE_TEST_ONLY"):
        chosen += ["-k", pattern]
    return chosen


def shard(environ: Mapping[str, str]) -> Shard | None:
    """The part of the tests that this process runs; None when it runs all."""
    if "TEST_TOTAL_SHARDS" not in environ:
        return None
    return Shard(int(environ["TEST_SHARD_INDEX"]), int(environ["TEST_TOTAL_SHARDS"]))


def main(folders: Sequence[str]) -> int:
    """pytest's exit code. A folder without tests fails, except in a shard that got none."""
    if scratch := os.environ.get("TEST_TMPDIR"):
        os.environ.setdefault("HOME", scratch)  # Bazel gives tests no home, and caches belong to the test
    # Python puts the folder of the program on the path, links followed: the checkout's tests/, declared or not.
    sys.path[:] = [p for p in sys.path if p != str(Path(__file__).resolve().parent)]
    part = shard(os.environ)
    if part is not None and (status := os.environ.get("TEST_SHARD_STATUS_FILE")):
        Path(status).touch()  # tells Bazel that we do take a part only
    # Bazel's own scratch folder has a path too long for the Unix sockets that engines open.
    with tempfile.TemporaryDirectory(prefix="armature-test-") as scratch:
        code = pytest.main([*options(os.environ), f"--basetemp={scratch}/t", *folders], plugins=[] if part is None else [part])
    return 0 if part is not None and code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


if __name__ == "__main__":  # spawned processes import this file again
    sys.exit(main(sys.argv[1:]))
