"""What SGLang 0.5.21 needs to run on a host without a GPU. No file of an installed package is edited.

SGLang has CPU code paths (SGLANG_USE_CPU_ENGINE=1), but they lean on a compiled kernel package that has no generic CPU
build, and a few modules assume CUDA. The stand-ins, each with its reason beside it:

    site/sgl_kernel/        the kernel package's names that CPU paths import, in plain torch
    patches.torchvision     torchvision's wheel is a CUDA build: its operators' schemas are declared so that it imports
    patches.torch_*         queries and events that torch's CPU build lacks
    patches.sglang_*        SGLang modules that assume pinned memory, local experts only, or a CUDA graph

They are active in a process when SGLANG_USE_CPU_ENGINE=1 is set and `site/` is on its import path: `activate()` does
both for this process and, through the environment, for every process that it spawns (`site/sitecustomize.py`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from armature import env

SITE = Path(__file__).absolute().parent / "site"
ROOT = SITE.parents[3]  # the folder that holds the package `armature`


def activate() -> None:
    """Turn the stand-ins on, here and in all processes started from here. Safe to call twice."""
    os.environ[env.SGLANG_CPU] = "1"
    # The frontend and the tokenizer manager need cores, too: OpenMP threads on every core wait by spinning, and on a
    # small host a worker then serves a seventh of the tokens.
    os.environ.setdefault(env.OMP_THREADS, str(max(1, (os.cpu_count() or 1) // 2)))
    # The first penalty of a worker would compile for as long as it takes many users to give up; eager, it takes microseconds.
    os.environ.setdefault(env.TORCH_COMPILE_DISABLE, "1")
    folders = [f for f in os.environ.get("PYTHONPATH", "").split(os.pathsep) if f]
    # The project's own folder as well: sitecustomize imports from it before a spawned process learns its parent's sys.path.
    missing = [str(ROOT)] if str(ROOT) not in folders else []
    if str(SITE) not in folders:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(SITE), *folders, *missing])
    if str(SITE) not in sys.path:
        sys.path.insert(0, str(SITE))
    from armature.engine.cpu import hooks

    hooks.install()


def bind_ranks(ranks: int) -> None:
    """Give each of several ranks cores of its own, one after the other; SGLang wants them named when there are more ranks
    than NUMA nodes. What the user set stays."""
    cores = sorted(os.sched_getaffinity(0))
    os.environ.setdefault(env.SGLANG_CPU_BIND, "|".join(str(cores[rank % len(cores)]) for rank in range(ranks)))


def is_active() -> bool:
    """Whether this process runs with the stand-ins."""
    return os.environ.get(env.SGLANG_CPU) == "1" and str(SITE) in sys.path
