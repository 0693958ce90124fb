"""Writes requirements/*.lock from pyproject.toml: every version pinned, every file with its hash.

`python tools/lock.py` resolves them again and keeps the versions that still fit; `--upgrade` takes the newest ones.
`python tools/lock.py --check` says which lock is stale, at once and without network: each begins with the hash of what
it was made from. The CPU build of torch must be findable: pip's own `find-links` (its configuration, or PIP_FIND_LINKS)
is handed on to uv.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[1]
UV = "uv>=0.9"
HEADER = "# Written by tools/lock.py from pyproject.toml. Its inputs' sha256: "
# What a lock depends on; a new description or script makes none stale.
PROJECT_FIELDS = ("requires-python", "dependencies", "optional-dependencies")


@dataclass(frozen=True)
class Lock:
    """One lock file.

    extras: the optional dependencies it holds. base: whether the project's own dependencies are in it. settings: uv's
    configuration file. within: a lock whose versions this one must share. platform: for which machines, when that is not
    the one that resolves.
    """

    name: str
    extras: tuple[str, ...]
    python: str = "3.11"
    base: bool = True
    settings: str | None = None
    within: str | None = None
    platform: str | None = None

    @property
    def path(self) -> str:
        return f"requirements/{self.name}.lock"


LOCKS = (
    Lock("cpu", ("cpu", "bench", "slurm"), settings="requirements/cpu.uv.toml"),
    Lock("dev", ("cpu", "bench", "slurm", "dev", "loadtests"), settings="requirements/cpu.uv.toml", within="cpu"),
    Lock("cuda", ("cuda", "bench", "slurm"), platform="x86_64-manylinux_2_34"),
    Lock("loadtests", ("loadtests",), base=False),
)


def inputs_hash(lock: Lock, root: Path) -> str:
    """sha256 of everything that decides what `lock` holds, the versions on the index apart."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted: dict[str, Any] = {k: project[k] for k in PROJECT_FIELDS}
    wanted["optional-dependencies"] = {e: project["optional-dependencies"][e] for e in lock.extras}
    if not lock.base:
        del wanted["dependencies"]
    settings = (root / lock.settings).read_text() if lock.settings else None
    within = pins((root / f"requirements/{lock.within}.lock").read_text()) if lock.within else None
    recipe = [lock.name, lock.python, lock.platform, wanted, settings, within]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def pins(text: str) -> list[str]:
    """The `name==version` of a lock's text."""
    return re.findall(r"^[A-Za-z0-9][^\s;\\]*==[^\s;\\]+", text, re.MULTILINE)


def stale(lock: Lock, root: Path) -> str | None:
    """Why `lock` must be written again; None when it is up to date."""
    file = root / lock.path
    if not file.exists():
        return f"{lock.path} is missing"
    try:
        want = HEADER + inputs_hash(lock, root)
    except FileNotFoundError as e:
        return f"{lock.path} is made from {e.filename}, which is missing"
    first, _, rest = file.read_text().partition("\n")
    if first != want:
        return f"{lock.path} was made from other dependencies than pyproject.toml now has"
    if not pins(rest) or rest.count("--hash=sha256:") < len(pins(rest)):
        return f"{lock.path} has versions without a hash"
    return None


def command(lock: Lock, uv: str, source: str, upgrade: bool) -> list[str]:
    """uv's command line; `source` is pyproject.toml, or a file that lists requirements."""
    words = [uv, *(("--config-file", lock.settings) if lock.settings else ()), "pip", "compile", "--quiet"]
    words += ["--generate-hashes", "--no-header", "--python-version", lock.python, "--output-file", lock.path]
    if lock.base:
        words += [w for e in lock.extras for w in ("--extra", e)]
    if lock.platform:
        words += ["--python-platform", lock.platform]
    if lock.within:
        words += ["--constraint", f"requirements/{lock.within}.lock"]
    return [*words, *(("--upgrade",) if upgrade else ()), source]


def write(lock: Lock, uv: str, root: Path, upgrade: bool) -> None:
    """Resolve `lock` and put its header on."""
    with tempfile.TemporaryDirectory() as scratch:
        source = "pyproject.toml"
        if not lock.base:
            source = f"{scratch}/{lock.name}.in"
            project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
            Path(source).write_text("\n".join(r for e in lock.extras for r in project["optional-dependencies"][e]) + "\n")
        subprocess.run(command(lock, uv, source, upgrade), cwd=root, check=True, env=uv_environment())
    file = root / lock.path
    body = "".join(line for line in _without_scratch(file.read_text()).splitlines(keepends=True) if not line.startswith(HEADER))
    file.write_text(f"{HEADER}{inputs_hash(lock, root)}\n{body}")


def _without_scratch(text: str) -> str:
    """The "via" notes name the project, not the temporary list that an extra was resolved from, nor a constraint."""
    text = re.sub(r"-r \S+\.in$", "armature (pyproject.toml)", text, flags=re.MULTILINE)
    text = re.sub(r"^    #(?: via)? +-c \S+\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^    # via\n    #   (\S.*\n)(?!    #)", r"    # via \1", text, flags=re.MULTILINE)


def uv_environment() -> dict[str, str]:
    """This environment, with pip's find-links as uv's unless uv has its own."""
    links = os.environ.get("PIP_FIND_LINKS") or _pip_setting("global.find-links")
    return os.environ | ({"UV_FIND_LINKS": ",".join(links.split())} if links and "UV_FIND_LINKS" not in os.environ else {})


def _pip_setting(name: str) -> str:
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "get", name], capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def find_uv(scratch: Path) -> str:
    """uv's path: the one on the PATH, or one installed into `scratch`."""
    if found := shutil.which("uv"):
        return found
    venv.create(scratch, with_pip=True)
    subprocess.run([scratch / "bin/python", "-m", "pip", "install", "--quiet", UV], check=True)
    return str(scratch / "bin/uv")


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Write requirements/*.lock from pyproject.toml.")
    parser.add_argument("--check", action="store_true", help="only say what is stale; exit 1 when something is")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which locks: {', '.join(k.name for k in LOCKS)} (default: all)")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - {k.name for k in LOCKS}:
        parser.error(f"no lock is called {', '.join(sorted(unknown))}")
    chosen = [k for k in LOCKS if not options.names or k.name in options.names]
    if options.check:
        reasons = [reason for k in chosen if (reason := stale(k, root))]
        print("\n".join([*reasons, "run: python tools/lock.py"]) if reasons else f"{len(chosen)} locks are up to date")
        return int(bool(reasons))
    with tempfile.TemporaryDirectory() as scratch:
        uv = find_uv(Path(scratch) / "uv")
        for lock in chosen:
            write(lock, uv, root, options.upgrade)
            print(f"{lock.path}: {len(pins((root / lock.path).read_text()))} distributions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
