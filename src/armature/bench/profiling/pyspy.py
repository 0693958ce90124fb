"""Flame graphs by py-spy, from outside the processes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import psutil

from armature.bench.profiling.taking import Taking
from armature.bench.sampler import node_of
from armature.errors import UserError
from armature.graph import programs

# py-spy reads processes that go on meanwhile, and now and then a name of nonsense; no browser draws an SVG with these bytes in it.
_UNREADABLE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_IDLE = "No stack counts found"  # py-spy's word for a process all of whose threads waited


def take(taking: Taking) -> list[Path]:
    """Flame graphs of the nodes' Python processes, at the same time; none of one that ran no Python meanwhile, as a frontend does
    whose work is in Rust."""
    program = programs.find("py-spy")
    running: list[tuple[Path, subprocess.Popen[str]]] = []
    for node in taking.nodes:
        if not (roots := _roots(node, taking.tmp)):
            raise UserError(f"node {node} has no process", expected=f"one whose TMPDIR is {taking.tmp / node}")
        for process in roots:
            file = taking.folder(node) / f"{process.pid}.svg"
            words = [program, "record", "--pid", str(process.pid), "--subprocesses", "--duration", f"{max(1, round(taking.seconds))}"]
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


def _roots(node: str, tmp: Path) -> list[psutil.Process]:
    """The node's Python processes that no other process of it started."""
    found = {p.pid: p for p in psutil.process_iter() if node_of(p, str(tmp)) == node and _is_python(p)}
    return [p for p in found.values() if p.ppid() not in found]


def _is_python(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
        return "python" in Path(process.exe()).name and "-m" in words and "armature" in words
    except psutil.Error:
        return False
