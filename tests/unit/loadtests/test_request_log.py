"""Records that cannot be written: the load goes on, and says what they lack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from armature_load import records
from armature_load.records import RequestLog, try_write_json


class Full(records.FileIO):
    """A disk on which `room` bytes are left."""

    room = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if not Full.room:
            raise OSError(28, "No space left on device")
        taken = min(Full.room, len(data))
        Full.room -= taken
        return super().write(data[:taken])


@pytest.mark.parametrize("room", [0, 5, 30])
def test_whole_lines_or_none_and_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(records, "FileIO", Full)
    log = RequestLog(tmp_path, 0)
    Full.room = 1000
    log.add({"id": "0-1"})
    log.flush()
    assert log.gaps() is None
    Full.room = room
    for number in (2, 3, 4):
        log.add({"id": f"0-{number}"})
    log.flush()
    Full.room = 1000
    log.add({"id": "0-5"})
    log.close()
    assert [json.loads(line)["id"] for line in (tmp_path / "requests.0.jsonl").read_bytes().splitlines()] == ["0-1", "0-5"]
    assert log.gaps() == f"{tmp_path}/requests.0.jsonl lacks up to 3 requests: No space left on device"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = RequestLog(tmp_path / "file" / "load", 0)
    log.add({"id": "0-1"})
    log.close()
    assert "lacks up to 1 requests: Not a directory" in (log.gaps() or "")


def test_json_is_written_whole_or_said_not_to_be(tmp_path: Path) -> None:
    assert try_write_json(tmp_path / "a" / "load.json", {"v": 1}) is None
    (tmp_path / "b").touch()
    assert "load.json cannot be written: " in (try_write_json(tmp_path / "b" / "load.json", {"v": 1}) or "")
