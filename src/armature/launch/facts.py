"""What a record says of where it was made: hardware and versions. No name of the host."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

PACKAGES = ("ai-dynamo-runtime", "sglang", "torch", "uvloop")


def host(gpus: bool) -> dict[str, Any]:
    """hardware and versions of this host; `gpus` asks for its GPUs, too."""
    return {"hardware": hardware() | {"gpus": gpu_names() if gpus else []}, "versions": versions()}


def hardware() -> dict[str, Any]:
    """Processor, cores, and memory in GiB."""
    return {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gib": round(psutil.virtual_memory().total / 2**30)}


def versions() -> dict[str, str]:
    """What would run. It is looked up, not imported."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def gpu_names() -> list[str]:
    """Each GPU's name, memory and driver, as nvidia-smi tells them; [] without it."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    except OSError:
        return platform.machine()
