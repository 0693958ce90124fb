"""Texts and one vector for each: what passes between the runtime's side of an embedding worker and the engine's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolingRequest:
    """Inputs, each as token ids, of which each gets one vector. dimensions: the first so many of each vector; None: all."""

    request_id: str
    inputs: list[list[int]]
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Pooled:
    """vectors: in the order of the inputs, normalized as the model says. tokens: of all inputs together."""

    vectors: list[Sequence[float]]
    tokens: int
