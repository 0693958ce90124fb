"""Reading a load generator's files: what is cut off, missing, broken or of another version."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from armature.bench import parquet
from armature.bench.read import read_load
from armature.errors import UserError
from support.load_files import client, failed, load, request, write_lines, write_load


def test_all_processes_are_read_in_the_order_of_sending(tmp_path: Path) -> None:
    folder = write_load(tmp_path, [request(0, at=2), request(1, at=1, process=1), request(2, at=3, process=1)])
    found = read_load(folder)
    assert [r.id for r in found.requests] == ["r1", "r0", "r2"]
    assert [c.process for c in found.clients] == [0, 1]


def test_a_last_line_that_was_cut_off_is_counted_and_the_rest_kept(tmp_path: Path) -> None:
    folder = write_load(tmp_path, [request(0), request(1)])
    with (folder / "requests.0.jsonl").open("a") as f:
        f.write(json.dumps(request(2))[:60])
    found = read_load(folder)
    assert (len(found.requests), found.cut_off) == (2, 1)


def test_a_folder_without_a_load_test_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"load has no load test"):
        read_load(tmp_path / "load")


@pytest.mark.parametrize(
    ("name", "rows", "where"),
    [
        ("requests.0.jsonl", [request(0), request(1, v=2)], r"requests\.0\.jsonl, line 2, has version 2"),
        ("client.0.json", [client(v=7)], r"client\.0\.json has version 7"),
        ("load.json", [load(v=0)], r"load\.json has version 0"),
    ],
)
def test_another_version_is_refused_by_the_files_name(tmp_path: Path, name: str, rows: list[dict[str, object]], where: str) -> None:
    folder = write_load(tmp_path, [request(0)])
    write_lines(folder / name, rows)
    with pytest.raises(UserError, match=where):
        read_load(folder)


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("requests.0.jsonl", '{"v": 1, "id": 5}\n', r"requests\.0\.jsonl, line 1, cannot be read: .*\$\.id"),
        ("requests.0.jsonl", "nonsense\n", r"requests\.0\.jsonl, line 1, cannot be read"),
        ("load.json", '{"v": 1}', r"load\.json cannot be read: .*started"),
        ("samples.jsonl", "{}\n", r"samples\.jsonl, line 1, cannot be read"),
    ],
)
def test_what_is_broken_is_named_with_its_line(tmp_path: Path, name: str, text: str, where: str) -> None:
    folder = write_load(tmp_path, [request(0)])
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=where):
        read_load(folder)


def test_fields_that_a_later_writer_adds_are_ignored(tmp_path: Path) -> None:
    assert len(read_load(write_load(tmp_path, [request(0, colour="red")])).requests) == 1


def test_requests_survive_the_table(tmp_path: Path) -> None:
    rows = [request(0, chunk_tokens=[1] * 10, session="s", turn=3, cached_tokens=4), request(1, scheduled=1_000_000.5), failed(2)]
    requests = read_load(write_load(tmp_path, rows)).requests
    parquet.write(requests, tmp_path / parquet.FILE)
    assert parquet.read(tmp_path / parquet.FILE) == list(requests)


def test_the_table_says_its_version_and_what_its_columns_mean(tmp_path: Path) -> None:
    parquet.write([], tmp_path / parquet.FILE)
    schema = pq.read_schema(tmp_path / parquet.FILE)
    assert schema.metadata[b"armature.requests.version"] == b"1"
    assert [field.name for field in schema if not field.metadata[b"description"]] == []


def test_a_table_of_another_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / parquet.FILE
    pq.write_table(pa.table({"id": ["a"]}), file)
    with pytest.raises(UserError, match=r"requests\.parquet has version none"):
        parquet.read(file)
