"""What only records never raises, tells each reason once, and counts what was lost."""

from __future__ import annotations

import errno
import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.errors import UserError
from armature.launch.rundir import Event, read_events
from armature.launch.sweep import Journal, PointRun, run_all
from armature.recording import LineFile, Losses

ERRORS = [OSError(number, os.strerror(number)) for number in (errno.ENOSPC, errno.EIO, errno.EBADF, errno.ENOENT)]


def raising(error: Exception) -> object:
    raise error


@given(
    st.lists(st.tuples(st.sampled_from(["events.jsonl", "the display", "logs/a.log"]), st.sampled_from([*ERRORS, ValueError("x"), None])))
)
def test_losses_are_told_once_and_counted(calls: list[tuple[str, Exception | None]]) -> None:
    said: list[str] = []
    losses = Losses(said.append)
    for what, error in calls:
        assert losses.attempt(what, lambda error=error: raising(error) if error else 1, 2) == (2 if error else 1)  # type: ignore[misc]
    reasons = {str(error) for _, error in calls if error}
    assert len(said) == len(reasons)
    lost = sum(error is not None for _, error in calls)
    assert sum(int(part.split("(")[1].split()[0]) for part in losses.summary().replace("; ", ", ").split(", ") if "(" in part) == lost
    assert bool(losses.summary()) == bool(lost)


def test_standard_error_that_is_full_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        Losses().keep("events.jsonl", lambda: raising(ERRORS[0]))


@pytest.mark.parametrize("room", range(0, 24, 3))
def test_a_line_is_written_whole_or_not_at_all(tmp_path: Path, room: int) -> None:
    """room: bytes that the file may still grow by."""
    path = tmp_path / "lines"
    file = LineFile.at(path)
    file.add(b"first")
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6 + room, 6 + room))
        try:
            file.add(b"0123456789")
        except OSError:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    file.add(b"last")
    assert path.read_bytes() == (b"first\n0123456789\nlast\n" if room >= 11 else b"first\nlast\n")
    assert code == (0 if room >= 11 else 1)


def test_lines_that_are_no_events_are_left_out() -> None:
    good = Event(1.0, 0.5, None, "ended", "why").as_json().encode()
    assert [e.detail for e in read_events([b"", good[:9], b"[]", b"{}", b"\xff", good])] == ["why"]


def test_a_sweep_goes_on_when_nothing_can_be_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal, the stamps and what is said: all of them fail, and each run is measured and judged all the same."""
    said: list[str] = []
    monkeypatch.setattr(LineFile, "add", lambda self, line: raising(ERRORS[0]))
    monkeypatch.setattr(PointRun, "done", lambda self: raising(ERRORS[0]))
    runs = [PointRun(name, tmp_path / name, {}) for name in "abc"]
    with Journal(tmp_path, Losses(said.append)) as journal:
        outcomes = run_all(runs, journal, lambda run: 1 if run.name == "b" else 0, lambda text: raising(ERRORS[1]))
    assert [o.state for o in outcomes] == ["done", "failed", "done"]
    assert sum("recording failed" in text for text in said) == 2, "one for each reason"
    assert any(text.startswith("not recorded: ") and "the end of a" in text for text in said)


def test_a_sweep_whose_folder_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"the sweep's folder cannot be written: .*; nothing was started"):
        Journal(tmp_path / "file" / "sweep")
