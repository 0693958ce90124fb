"""Traces of engines by torch's profiler, which their workers start and stop on command."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from armature import control
from armature.bench.profiling import trace
from armature.bench.profiling.taking import Taking
from armature.errors import UserError

ANSWER_S = 300.0  # a trace is written before the answer comes


def take(taking: Taking) -> list[Path]:
    """Traces of the nodes' engines, all at the same time, each with its top.json."""

    def start(node: str) -> None:
        _tell(taking, node, "start", {"folder": str(taking.folder(node)), "gpus": taking.gpus})

    def stop(node: str) -> list[Path]:
        _tell(taking, node, "stop", {})
        folder = taking.folder(node)
        traces = sorted(folder.glob("*.trace.json*"))
        if not traces:
            raise UserError(f"{node} left no trace in {folder}")
        tops = [trace.summarise(file) for file in traces]
        (folder / trace.FILE).write_bytes(msgspec.json.format(msgspec.json.encode(tops)) + b"\n")
        return traces

    with ThreadPoolExecutor(max(1, len(taking.nodes))) as pool:
        list(pool.map(start, taking.nodes))
        time.sleep(taking.seconds)
        return [file for files in pool.map(stop, taking.nodes) for file in files]


def _tell(taking: Taking, node: str, action: str, body: Mapping[str, object]) -> None:
    try:
        said = control.call(taking.control(node), f"profile/{action}", body, ANSWER_S)
    except (OSError, control.Refused) as e:
        raise UserError(f"the profiler of {node} did not {action}: {e}") from None
    if error := said.get("error"):
        raise UserError(f"the profiler of {node} did not {action}: {error}")
