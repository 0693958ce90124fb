"""`run_tool.py NAME ARGUMENT ...`: a console script of the import path's distributions, in this process.

Bazel's import path has no bin/ folder to find ruff or mypy in; this finds them by what their distributions declare.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path


def program(name: str) -> Path | None:
    """A compiled tool's program: beside its distribution's site-packages, or in an environment's bin/."""
    above = (up / "bin" / name for p in sys.path for up in list(Path(p).absolute().parents)[:3])
    return next((file for file in above if file.is_file() and file.read_bytes()[:4] == b"\x7fELF"), None)


def environment_python() -> str:
    """An interpreter whose own site-packages hold all distributions, for tools that ask one instead of importing."""
    above = (up / "bin" / "python3" for p in sys.path if p.endswith("/site-packages") for up in list(Path(p).absolute().parents)[2:3])
    return next((str(file) for file in above if (file.parents[1] / "pyvenv.cfg").is_file()), sys.executable)


def main(argv: Sequence[str]) -> int:
    name, *arguments = argv
    if tool := program(name):
        return subprocess.call([str(tool), *arguments])
    if name == "mypy":
        arguments = ["--python-executable", environment_python(), *arguments]
    found = entry_points(group="console_scripts", name=name)
    if not found:
        sys.exit(f"no distribution on the import path has a console script {name!r}")
    sys.argv = [name, *arguments]
    code = next(iter(found)).load()()
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
