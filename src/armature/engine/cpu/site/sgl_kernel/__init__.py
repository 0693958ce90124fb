"""The names of SGLang's kernel package that its CPU paths import, in plain torch.

`torch.ops.sgl_kernel.convert_weight_packed` is left undefined on purpose: SGLang then finds no AMX support and every
layer takes its native path. Kernels of features that do not run here (speculative decoding) raise when they are called.
"""

import torch

__version__ = "0.0.0+cpu.standin"


def assign_req_to_token_pool_cpu(req_pool_indices, req_to_token, start, end, out_cache_loc, pool_len):
    """Write each request's new cache slots into its row, from start to end."""
    taken = 0
    for row, first, last in zip(req_pool_indices.tolist(), start.tolist(), end.tolist(), strict=True):
        count = last - first
        req_to_token[row, first:last] = out_cache_loc[taken : taken + count].to(req_to_token.dtype)
        taken += count


def assign_extend_cache_locs_cpu(req_pool_indices, req_to_token, start, end, out_cache_loc, pool_len):
    """Gather each request's cache slots from start to end into one flat tensor."""
    taken = 0
    for row, first, last in zip(req_pool_indices.tolist(), start.tolist(), end.tolist(), strict=True):
        count = last - first
        out_cache_loc[taken : taken + count] = req_to_token[row, first:last].to(out_cache_loc.dtype)
        taken += count


def _not_here(name):
    def kernel(*_args, **_kwargs):
        raise NotImplementedError(f"sgl_kernel.{name} has no CPU stand-in: the feature that needs it runs on GPUs only")

    kernel.__name__ = name
    return kernel


for _name in (
    "copy_all_layer_kv_cache_cpu",
    "assign_draft_cache_locs_contiguous_cpu",
    "fill_accept_out_cache_loc_cpu",
    "fill_bonus_tokens_cpu",
    "build_tree_kernel_efficient_cpu",
    "verify_tree_greedy_cpu",
):
    globals()[_name] = _not_here(_name)

# Operators that some model files bind when they are imported. Declared without a kernel: calling one raises.
_OPERATORS = torch.library.Library("sgl_kernel", "FRAGMENT")
for _name in (
    "fused_sigmoid_mul_cpu",
    "fused_qk_gemma_rmsnorm_cpu",
    "fused_qk_gemma_rmsnorm_with_gate_cpu",
    "fused_qkvzba_split_reshape_cat_contiguous_cpu",
):
    _OPERATORS.define(f"{_name}(Tensor x) -> Tensor")
