"""docs/reference/records.md as schemas: version 1 of the records. Other programs read these files."""

from __future__ import annotations

from typing import Any


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


NUMBER, WHOLE, TEXT = {"type": "number"}, {"type": "integer"}, {"type": "string"}
DURATION, COUNT = {"type": "number", "minimum": 0}, {"type": "integer", "minimum": 0}
VERSION = {"const": 1}

REQUEST = _object(
    v=VERSION,
    id=TEXT,
    process=COUNT,
    user={"enum": ["chat", "completions", "embeddings", "images", "multimodal"]},
    **{"class": TEXT},
    phase={"enum": ["warmup", "measure"]},
    scheduled=_or_null(NUMBER),
    started=NUMBER,
    ended=NUMBER,
    ok={"type": "boolean"},
    status=_or_null(WHOLE),
    error=_or_null(_object(kind={"enum": ["http", "timeout", "connection", "stream", "server", "client"]}, text=TEXT)),
    ttft_ms=_or_null(DURATION),
    e2e_ms=DURATION,
    connect_ms=_or_null(DURATION),
    gaps_ms={"type": "array", "items": DURATION},
    chunk_tokens=_or_null({"type": "array", "items": COUNT}),
    chunks=COUNT,
    asked_input=_or_null(COUNT),
    asked_output=_or_null(COUNT),
    input_tokens=_or_null(COUNT),
    output_tokens=_or_null(COUNT),
    cached_tokens=_or_null(COUNT),
    session=_or_null(TEXT),
    turn=_or_null(COUNT),
    prompt_seed=_or_null(COUNT),
)

CLIENT = _object(
    v=VERSION,
    process=COUNT,
    pid=COUNT,
    lag_ms=_object(p50=NUMBER, p99=NUMBER, max=NUMBER),
    cpu=_object(mean=DURATION, max=DURATION),
    valid={"type": "boolean"},
    reasons={"type": "array", "items": TEXT},
    late=COUNT,
    dropped=COUNT,
    cpu_s_per_request=DURATION,
    cpu_us_per_chunk=DURATION,
)

LOAD = _object(
    v=VERSION,
    settings={"type": "object", "required": ["seed", "shape", "classes", "end", "limits"]},
    host=TEXT,
    model=TEXT,
    seed=WHOLE,
    started=NUMBER,
    measure_started=NUMBER,
    ended=NUMBER,
    end_reason={"enum": ["count", "time", "known", "stopped", "error"]},
    versions=_object(locust=TEXT, geventhttpclient=TEXT, gevent=TEXT, python=TEXT),
)
