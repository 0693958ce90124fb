"""requests.parquet: the requests of a run as a table, one row each, for notebooks and for our own report.

The file's metadata holds `armature.requests.version`; each column's, its meaning (`description`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from armature.bench.records import VERSION, Request, RequestError
from armature.errors import UserError

FILE = "requests.parquet"
_VERSION_KEY = b"armature.requests.version"


def _column(name: str, kind: pa.DataType, description: str, nullable: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable, {"description": description})


_TEXT, _FLOAT, _INT = pa.string(), pa.float64(), pa.int64()
SCHEMA = pa.schema(
    [
        _column("id", _TEXT, "the request's id, unique in the run", False),
        _column("process", pa.int32(), "the process of the load generator that sent it", False),
        _column("user", _TEXT, "the API: chat, completions, embeddings, images, multimodal", False),
        _column("class", _TEXT, "the request's class in the workload", False),
        _column("phase", _TEXT, "warmup or measure; a summary counts only measure", False),
        _column("scheduled", _FLOAT, "the time when it was due, in s since 1970; null in a closed loop"),
        _column("started", _FLOAT, "the time when it was sent, in s since 1970", False),
        _column("ended", _FLOAT, "the time when it ended, in s since 1970", False),
        _column("ok", pa.bool_(), "whether it was answered in full", False),
        _column("status", pa.int32(), "the HTTP status"),
        _column("error_kind", _TEXT, "http, timeout, connection, stream, server, client"),
        _column("error_text", _TEXT, "the error's message"),
        _column("ttft_ms", _FLOAT, "time to first token, from scheduled, or from started if that is null"),
        _column("e2e_ms", _FLOAT, "end-to-end time, from the same origin to ended", False),
        _column("connect_ms", _FLOAT, "time to connect; null: the connection was reused"),
        _column("gaps_ms", pa.list_(_FLOAT), "gaps between consecutive chunks with tokens", False),
        _column("chunk_tokens", pa.list_(pa.int32()), "tokens of each such chunk, if the server reports them"),
        _column("chunks", _INT, "number of chunks with tokens", False),
        _column("asked_input", _INT, "prompt tokens that the workload requested"),
        _column("asked_output", _INT, "output tokens that the workload requested"),
        _column("input_tokens", _INT, "prompt tokens that the server counted"),
        _column("output_tokens", _INT, "output tokens that the server counted"),
        _column("cached_tokens", _INT, "prompt tokens that came from a prefix cache"),
        _column("session", _TEXT, "the conversation that the request belongs to"),
        _column("turn", pa.int32(), "its position in the conversation, from 0"),
        _column("prompt_seed", _INT, "the prompt's seed"),
    ],
    {_VERSION_KEY: str(VERSION).encode()},
)
_SAME = [name for name in SCHEMA.names if name not in ("class", "error_kind", "error_text")]  # named as in Request


def write(requests: Iterable[Request], file: Path) -> None:
    """Write the table; `file` is there only when it is complete."""
    partial = file.with_name(file.name + ".partial")
    pq.write_table(pa.Table.from_pylist([_row(r) for r in requests], schema=SCHEMA), partial, compression="zstd")
    partial.replace(file)


def read(file: Path) -> list[Request]:
    """The requests of a table. Raises UserError for a file of another version, and for one that is no such table."""
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as e:
        raise UserError(f"{file} cannot be read: {e}", fix="write it again: armature summarize RUN") from None
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode()
    if version != str(VERSION):
        raise UserError(f"{file} has version {version}", expected=f"version {VERSION}", fix="write it again: armature summarize RUN")
    return [_request(row) for row in table.to_pylist()]


def _row(r: Request) -> dict[str, Any]:
    row = {name: getattr(r, name) for name in _SAME}
    return row | {"class": r.cls, "error_kind": r.error and r.error.kind, "error_text": r.error and r.error.text}


def _request(row: dict[str, Any]) -> Request:
    error = RequestError(row["error_kind"], row["error_text"]) if row["error_kind"] else None
    return Request(v=VERSION, cls=row["class"], error=error, **{name: row[name] for name in _SAME})
