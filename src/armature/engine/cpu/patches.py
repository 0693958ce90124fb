"""The patches of `hooks`: one function each, with the reason why it is needed.

They are applied to modules as these are imported, so nothing here imports torch or SGLang at its top.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

_declared: list[Any] = []  # torch forgets an operator library that nobody holds


def torchvision() -> None:
    """PyPI's torchvision is a CUDA build whose extension cannot load beside CPU torch, and its import then fails on two
    operators without a schema. Declaring the schemas is enough: no text model calls them."""
    import torch

    if _declared:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)


def torch_missing_on_cpu(torch: ModuleType) -> None:
    """Names of torch that SGLang uses for its device, and that the CPU build lacks or refuses."""
    if torch.cuda.is_available():
        return
    if not hasattr(torch.cpu, "is_current_stream_capturing"):  # the expert recorder asks whether a graph is being captured
        torch.cpu.is_current_stream_capturing = lambda: False
    if not hasattr(torch.cpu, "empty_cache"):
        torch.cpu.empty_cache = lambda: None
    torch.cuda.Event = FinishedEvent  # prefill's barrier before the KV transfer; CPU kernels end before they return
    torch.Tensor.pin_memory = lambda self, *_args, **_kwargs: self


class FinishedEvent:
    """A CUDA event where all work is synchronous: it has always happened."""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        pass

    def record(self, *_args: object) -> None:
        pass

    def wait(self, *_args: object) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def query(self) -> bool:
        return True

    def elapsed_time(self, _other: object) -> float:
        return 0.0


def sglang_moe_with_remote_experts(module: Any) -> None:
    """With expert parallelism the id of an expert on another rank arrives as -1, which the native loop cannot index."""
    import torch
    from torch.nn import functional

    stock = module.moe_forward_native

    @functools.wraps(stock)
    def forward(layer: Any, x: Any, topk_output: Any, config: Any) -> Any:
        weights, ids = topk_output.topk_weights, topk_output.topk_ids
        if config.activation != "silu" or not bool((ids < 0).any()):
            return stock(layer, x, topk_output, config)
        out = torch.zeros_like(x)
        for expert in ids[ids >= 0].unique().tolist():
            chosen = ids == expert
            rows = chosen.any(dim=1).nonzero()[:, 0]
            gate, up = functional.linear(x[rows], layer.w13_weight[expert]).chunk(2, dim=-1)
            result = functional.linear(functional.silu(gate) * up, layer.w2_weight[expert])
            out[rows] += result * (weights * chosen).sum(dim=1)[rows, None].to(result.dtype)
        return out

    module.moe_forward_native = forward


def sglang_attention_fill_value(module: Any) -> None:
    """Padding under data-parallel attention asks the backend for a sequence length to fill with; torch_native names none."""
    backend = module.TorchNativeAttnBackend
    if not hasattr(backend, "get_cpu_graph_seq_len_fill_value"):
        backend.get_cpu_graph_seq_len_fill_value = lambda _self: 1


def sglang_without_pinned_memory(module: Any) -> None:
    """LoRA allocates pinned host memory, which CPU torch refuses. Only this module's view of torch is replaced: wrapping
    torch's own functions would break `with torch.device(...)`."""
    module.torch = _Unpinned(module.torch)


class _Unpinned:
    """torch, with pin_memory taken out of its allocating functions."""

    _ALLOCATORS = frozenset({"tensor", "empty", "zeros", "ones", "full", "empty_like", "zeros_like"})

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._torch, name)
        if name not in self._ALLOCATORS:
            return value
        return functools.partial(_call_unpinned, value)


def _call_unpinned(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **{**kwargs, "pin_memory": False})


class _Launcher:
    """What stands where Triton's `kernel[grid](...)` is written: a plain function."""

    def __init__(self, function: Callable[..., None]) -> None:
        self._function = function

    def __getitem__(self, _grid: object) -> Callable[..., None]:
        return self._function


def sglang_pages_without_triton(paged: ModuleType) -> None:
    """With page_size > 1, slots of the KV cache are given out by two Triton kernels. SGLang has the first in torch as well."""

    def extend(prefixes: Any, lengths: Any, last: Any, free: Any, out: Any, _requests: int, page_size: int) -> None:
        paged.alloc_extend_naive(prefixes, lengths, last, free, out, page_size, out.device)

    for name, function in (("alloc_extend_kernel", extend), ("alloc_decode_kernel", next_slots)):
        setattr(paged, name, _Launcher(function))


def next_slots(lengths: Any, last: Any, free: Any, out: Any, _requests: int, page_size: int) -> None:
    """The slot of each request's next token, into `out`: behind its last one, or the first of a free page when that page is full.

    lengths: of the requests, the next token included. last: slots of their last tokens. free: pages, taken in order. When
    there are too few, the caller refuses the whole batch afterwards.
    """
    import torch

    wants_page = (lengths - 1) % page_size == 0
    if not len(free):
        out.copy_(last + 1)
        return
    taken = (torch.cumsum(wants_page, 0) - 1).clamp(0, len(free) - 1)
    out.copy_(torch.where(wants_page, free[taken] * page_size, last + 1))
