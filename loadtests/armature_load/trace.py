"""Traces in Mooncake's format: JSON lines of timestamp (ms), input_length, output_length and hash_ids (blocks of 512 tokens)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from armature_load.prompts import BLOCK
from armature_load.reading import SettingsError


@dataclass(frozen=True)
class TraceRequest:
    """at: seconds after the trace's first request. hash_ids: of each block of the prompt; equal ids are equal tokens."""

    at: float
    input_tokens: int
    output_tokens: int
    hash_ids: tuple[int, ...]


def read_trace(path: str, speed: float) -> list[TraceRequest]:
    """The requests in the order of their times, which `speed` divides. Raises SettingsError, naming the line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as e:
        raise SettingsError("shape.trace", f"{path} cannot be read: {e.strerror}") from None
    found = [_request(line, f"{path}, line {n}", speed) for n, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise SettingsError("shape.trace", f"{path} contains no request")
    found.sort(key=lambda r: r.at)
    first = found[0].at
    return [TraceRequest(r.at - first, r.input_tokens, r.output_tokens, r.hash_ids) for r in found]


def _request(line: str, where: str, speed: float) -> TraceRequest:
    try:
        data = json.loads(line)
        at, inputs, outputs = data["timestamp"], data["input_length"], data["output_length"]
        hashes = tuple(int(h) for h in data["hash_ids"])
        request = TraceRequest(float(at) / 1000 / speed, int(inputs), int(outputs), hashes)
    except (ValueError, TypeError, KeyError) as e:
        raise SettingsError("shape.trace", f"{where}: expected timestamp, input_length, output_length and hash_ids ({e!r})") from None
    if request.input_tokens < 1 or request.output_tokens < 1 or request.at < 0:
        raise SettingsError("shape.trace", f"{where}: lengths must be at least 1, and times at least 0")
    blocks = -(-request.input_tokens // BLOCK)
    if len(hashes) != blocks:
        raise SettingsError("shape.trace", f"{where}: {request.input_tokens} tokens are {blocks} blocks, got {len(hashes)} hash_ids")
    return request
