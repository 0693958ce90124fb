"""What the generator must know of a deployment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What is served. context_length, vocabulary: in tokens. ranks: data-parallel ranks of a worker. pairs: prefill and decode apart."""

    model: str
    context_length: int = 4096
    vocabulary: int = 512
    ranks: int = 1
    pairs: bool = False
