"""NVIDIA Nsight Systems around workers."""

from __future__ import annotations

from armature.profiles.kind import ProfileKind


def _wrap(out: str) -> tuple[str, ...]:
    trace = ("--trace", "cuda,nvtx,osrt", "--cuda-graph-trace", "node", "--trace-fork-before-exec", "true")
    # SIGTERM goes to nsys, which hands it on; it writes its report when the worker has drained.
    return ("${program:nsys}", "profile", *trace, "--force-overwrite", "true", "--kill", "none", "--wait", "all", "--output", f"{out}.nsys")


PROFILE = ProfileKind("nsys", "NVIDIA Nsight Systems around workers", beside_load=False, needs_gpus=True, wrap=_wrap, write_s=120.0)
