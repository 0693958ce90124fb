"""Fetches a lock's distributions with pip, every hash checked, and writes them as Bazel packages. Standard library only.

Run in the new repository's directory: `python -I unpack_wheels.py LOCK`. It writes

    <distribution>/site-packages   what one distribution installs, the target //<distribution>
    environment/                   a virtual environment with all of them, the target //:merged (hard links: no more disk)
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# A console script finds its interpreter beside itself, so that the tree can be anywhere.
SCRIPT = """\
#!/bin/sh
'''exec' "$(dirname -- "$0")/python3" "$0" "$@"
' '''
import sys
from {module} import {first}
sys.exit({function}())
"""

# Where a wheel's .data folders go, besides purelib and platlib.
SCHEMES = {"scripts": "bin"}


def normalised(name: str) -> str:
    """A distribution's name as rules_python spells it in labels."""
    return re.sub(r"[-_.]+", "_", name).lower()


def needs(lock: str) -> dict[str, set[str]]:
    """distribution -> what it needs, from the lock's own "# via" notes: they know the lock's overrides, metadata does not."""
    found: dict[str, set[str]] = {}
    current = ""
    for line in lock.splitlines():
        if pin := re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==", line):
            current = normalised(pin[1])
            found.setdefault(current, set())
        elif (via := re.match(r"    #(?: via)?\s+([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[.*\])?$", line)) and via[1] != "via":
            found.setdefault(normalised(via[1]), set()).add(current)
    return found


def pinned(lock: str, name: str) -> str:
    """The lock's lines for one distribution, or nothing."""
    found = re.search(rf"^{re.escape(name)}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    return found[0] if found else ""


def fetch(lock: Path, scratch: Path) -> list[Path]:
    """The wheels of a lock. A source distribution is built with the lock's own setuptools, so its build is pinned too."""
    build = scratch / "build"
    build.mkdir(parents=True)
    if setuptools := pinned(lock.read_text(), "setuptools"):
        only = scratch / "setuptools.lock"
        only.write_text(setuptools)
        for wheel in _pip_wheel(only, scratch / "setuptools"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(build)
    return _pip_wheel(lock, scratch / "wheels", "--no-build-isolation", "--use-pep517", path=build)


def _pip_wheel(lock: Path, into: Path, *options: str, path: Path | None = None) -> list[Path]:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--no-input",
        "--disable-pip-version-check",
    ]
    environ = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    subprocess.run([*command, *options, "--wheel-dir", str(into), "-r", str(lock)], check=True, env=environ)
    return sorted(into.glob("*.whl"))


def unpack(wheel: Path, root: Path) -> str:
    """Unpack one wheel below `root`; its distribution's name."""
    with zipfile.ZipFile(wheel) as archive:
        top = root / normalised(wheel.name.split("-")[0])
        site = top / "site-packages"
        made: set[Path] = set()
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            parts = Path(entry.filename).parts
            if entry.filename.startswith("/") or ".." in parts:
                raise SystemExit(f"{wheel.name}: a path leads out of the wheel: {entry.filename}")
            base = site
            if parts[0].endswith(".data"):
                scheme, parts = parts[1], parts[2:]
                base = site if scheme in ("purelib", "platlib") else top / SCHEMES.get(scheme, scheme)
            target = base.joinpath(*parts)
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            with archive.open(entry) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            if (entry.external_attr >> 16) & stat.S_IXUSR:
                target.chmod(0o755)
    return top.name


def compile_all(folders: Iterable[Path]) -> None:
    """Bytecode now, valid by definition (unchecked hash): nothing is written into the trees later.

    A few distributions hold files that are not meant to compile (templates, other Pythons): their errors do not matter.
    """
    options = ["-q", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([sys.executable, "-I", "-m", "compileall", *options, *map(str, folders)], check=False)


def merge(root: Path, names: Iterable[str], environment: Path) -> Path:
    """A virtual environment whose files are hard links to the distributions'; its site-packages."""
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", "--symlinks", str(environment)], check=True)
    site = environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    for name in names:
        for scheme, base in (("site-packages", site), ("data", environment), ("bin", environment / "bin")):
            _link_tree(root / name / scheme, base)
        for script, entry in console_scripts(root / name / "site-packages").items():
            module, function = entry.split("[")[0].strip().split(":")
            file = environment / "bin" / script
            file.write_text(SCRIPT.format(module=module, function=function, first=function.split(".")[0]))
            file.chmod(0o755)
    return site


def _link_tree(top: Path, base: Path) -> None:
    for folder, _, files in os.walk(top):
        to = base / os.path.relpath(folder, top)
        if files:
            to.mkdir(parents=True, exist_ok=True)
        for file in files:
            if not (to / file).exists():  # parts of a namespace package may both bring a LICENSE
                os.link(Path(folder, file), to / file)


def console_scripts(site: Path) -> Mapping[str, str]:
    """script -> "module:function" of the distribution in `site`."""
    file = next(site.glob("*.dist-info/entry_points.txt"), None)
    parser = configparser.ConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    if file:
        parser.read(file)
    return dict(parser["console_scripts"]) if parser.has_section("console_scripts") else {}


def library(name: str, data: list[str], path: str, deps: Iterable[str] = ()) -> str:
    """The text of one py_library target that anyone may use."""
    return (
        f'py_library(\n    name = "{name}",\n    data = {json_list(data)},\n    imports = ["{path}"],\n'
        f'    visibility = ["//visibility:public"],\n    deps = {json_list(sorted(deps))},\n)\n'
    )


def json_list(items: Iterable[str]) -> str:
    """A list of strings in Starlark."""
    return "[" + ", ".join(f'"{i}"' for i in items) + "]"


def main() -> None:
    lock, root = Path(sys.argv[1]), Path.cwd()
    scratch = root / "scratch"
    with ThreadPoolExecutor(2) as pool:
        names = sorted(pool.map(lambda wheel: unpack(wheel, root), fetch(lock, scratch)))
    shutil.rmtree(scratch)
    compile_all(root / name / "site-packages" for name in names)
    graph = needs(lock.read_text())
    for name in names:
        data = [s for s in ("site-packages", "bin", "data") if (root / name / s).is_dir()]
        deps = [f"//{other}" for other in graph[name] if other in names and other != name]
        (root / name / "BUILD.bazel").write_text(library(name, data, "site-packages", deps))
    site = merge(root, names, root / "environment")
    (root / "BUILD.bazel").write_text(library("merged", ["environment"], str(site.relative_to(root))))


if __name__ == "__main__":
    main()
