"""Seeded random weights of the families that `models.make` knows, under Hugging Face's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Wide enough that greedy output varies with the prompt; the usual 0.02 makes tiny models repeat one token.
STD = 0.15


def shapes(spec: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor of a decoder with grouped attention and a gated MLP."""
    hidden, inner, head = spec["hidden_size"], spec["intermediate_size"], spec["head_dim"]
    queries, keys = spec["num_attention_heads"] * head, spec["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", (spec["vocab_size"], hidden)
    for i in range(spec["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        yield f"{layer}.input_layernorm.weight", (hidden,)
        yield f"{layer}.self_attn.q_proj.weight", (queries, hidden)
        yield f"{layer}.self_attn.k_proj.weight", (keys, hidden)
        yield f"{layer}.self_attn.v_proj.weight", (keys, hidden)
        yield f"{layer}.self_attn.o_proj.weight", (hidden, queries)
        if spec["family"] == "qwen3":
            yield f"{layer}.self_attn.q_norm.weight", (head,)
            yield f"{layer}.self_attn.k_norm.weight", (head,)
        yield f"{layer}.post_attention_layernorm.weight", (hidden,)
        yield f"{layer}.mlp.gate_proj.weight", (inner, hidden)
        yield f"{layer}.mlp.up_proj.weight", (inner, hidden)
        yield f"{layer}.mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)
    if not spec["tie_word_embeddings"]:
        yield "lm_head.weight", (spec["vocab_size"], hidden)


def write_weights(spec: Mapping[str, Any], folder: Path) -> int:
    """Write model.safetensors in float32 and return how many parameters it has. Norms are one, all else is normal."""
    import numpy as np
    from safetensors.numpy import save_file

    random = np.random.default_rng(spec["seed"])
    tensors = {
        name: np.ones(shape, np.float32) if len(shape) == 1 else random.standard_normal(shape, np.float32) * np.float32(STD)
        for name, shape in shapes(spec)
    }
    file = folder / "model.safetensors"
    save_file(tensors, file, metadata={"format": "pt"})
    file.chmod(0o644)
    return sum(t.size for t in tensors.values())
