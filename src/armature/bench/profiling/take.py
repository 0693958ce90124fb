"""Taking profiles of a run's nodes in the steady part of its load."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil

from armature import control
from armature.bench.live import LoadWatch
from armature.bench.profiling import trace
from armature.bench.sampler import node_of
from armature.errors import UserError
from armature.naming import component

ANSWER_S = 300.0  # a trace is written before the answer comes
_LOOK_S = 0.1
# py-spy reads processes that go on meanwhile, and now and then a name of nonsense; no browser draws an SVG with these bytes in it.
_UNREADABLE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_IDLE = "No stack counts found"  # py-spy's word for a process all of whose threads waited


def wait_until_steady(load: Path, after_s: float) -> None:
    """Until the load has measured for `after_s` seconds. Raises UserError when it ends before."""
    watch, since = LoadWatch(load), None
    while since is None or time.monotonic() - since < after_s:
        now = watch.look(time.time())
        if now.phase is not None and now.phase.startswith("ended"):
            raise UserError(
                f"the load ended before it had measured for {after_s:g} s",
                fix="make the load longer: load.count= or load.time_s=",
            )
        if since is None and now.phase == "measure":
            since = time.monotonic()
        time.sleep(_LOOK_S)


def torch(targets: Mapping[str, Path], seconds: float, out: Path, gpus: bool) -> list[Path]:
    """Traces of the engines behind `targets` (node -> control folder), all at the same time, each with its top.json."""

    def start(node: str) -> None:
        _tell(node, targets[node], "start", {"folder": str(out / component(node)), "gpus": gpus})

    def stop(node: str) -> list[Path]:
        _tell(node, targets[node], "stop", {})
        folder = out / component(node)
        traces = sorted(folder.glob("*.trace.json*"))
        if not traces:
            raise UserError(f"{node} left no trace in {folder}")
        tops = [trace.summarise(file) for file in traces]
        (folder / trace.FILE).write_bytes(msgspec.json.format(msgspec.json.encode(tops)) + b"\n")
        return traces

    for node in targets:
        (out / component(node)).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max(1, len(targets))) as pool:
        list(pool.map(start, targets))
        time.sleep(seconds)
        return [file for files in pool.map(stop, targets) for file in files]


def pyspy(nodes: Sequence[str], processes: Path, seconds: float, out: Path, program: str) -> list[Path]:
    """Flame graphs of the Python processes of `nodes`, at the same time; none of one that ran no Python meanwhile, as a frontend does
    whose work is in Rust. processes: the folder of the nodes' TMPDIRs."""
    running: list[tuple[Path, subprocess.Popen[str]]] = []
    for node in nodes:
        if not (roots := _roots(node, processes)):
            raise UserError(f"node {node} has no process", expected=f"one whose TMPDIR is {processes / node}")
        (out / component(node)).mkdir(parents=True, exist_ok=True)
        for process in roots:
            file = out / component(node) / f"{process.pid}.svg"
            words = [program, "record", "--pid", str(process.pid), "--subprocesses", "--duration", f"{max(1, round(seconds))}"]
            words += ["--format", "flamegraph", "--nonblocking", "--output", str(file)]
            running.append((file, subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))
    files = []
    for file, recording in running:
        said, _ = recording.communicate()
        if _IDLE in said:
            file.unlink(missing_ok=True)
            print(f"{file.parent.name}: process {file.stem} ran no Python, so there is no flame graph", flush=True)
            continue
        if recording.returncode or not file.exists():
            raise UserError(f"py-spy wrote no {file.name}: {said.strip()[-400:]}", fix="allow py-spy to read other processes (ptrace)")
        file.write_bytes(_UNREADABLE.sub(b"?", file.read_bytes()))
        files.append(file)
    return files


def _roots(node: str, processes: Path) -> list[psutil.Process]:
    """The node's Python processes that no other process of it started."""
    found = {p.pid: p for p in psutil.process_iter() if node_of(p, str(processes)) == node and _is_python(p)}
    return [p for p in found.values() if p.ppid() not in found]


def _is_python(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
        return "python" in Path(process.exe()).name and "-m" in words and "armature" in words
    except psutil.Error:
        return False


def _tell(node: str, folder: Path, action: str, body: Mapping[str, object]) -> None:
    try:
        said = control.call(folder, f"profile/{action}", body, ANSWER_S)
    except (OSError, control.Refused) as e:
        raise UserError(f"the profiler of {node} did not {action}: {e}") from None
    if error := said.get("error"):
        raise UserError(f"the profiler of {node} did not {action}: {error}")
