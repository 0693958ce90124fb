"""Applies the patches at the moment when the module that each is for gets imported.

Importing torch or SGLang ahead of time would slow every Python process that merely has the stand-ins on its path.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from armature.engine.cpu import patches

Before = Callable[[], None]
After = Callable[[ModuleType], None]

BEFORE: dict[str, Before] = {"torchvision": patches.torchvision}
AFTER: dict[str, After] = {
    "torch": patches.torch_missing_on_cpu,
    "sglang.srt.layers.moe.fused_moe_native": patches.sglang_moe_with_remote_experts,
    "sglang.srt.layers.attention.torch_native_backend": patches.sglang_attention_fill_value,
    "sglang.srt.mem_cache.allocator.paged": patches.sglang_pages_without_triton,
    "sglang.srt.lora.layers": patches.sglang_without_pinned_memory,
    "sglang.srt.lora.backend.torch_backend": patches.sglang_without_pinned_memory,
    "sglang.srt.lora.mem_pool": patches.sglang_without_pinned_memory,
    "sglang.srt.lora.lora_manager": patches.sglang_without_pinned_memory,
}


class PatchingFinder(MetaPathFinder):
    """Finds modules as the import path does, and wraps the loading of those that have a patch."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        before, after = BEFORE.get(fullname), AFTER.get(fullname)
        if before is None and after is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            if before is not None:
                before()
            load(module)
            if after is not None:
                after(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Put the finder in front of the others, once a process; patch what is imported already."""
    if any(type(f).__name__ == PatchingFinder.__name__ for f in sys.meta_path):
        return
    sys.meta_path.insert(0, PatchingFinder())
    for name, after in AFTER.items():
        if name in sys.modules:
            after(sys.modules[name])
