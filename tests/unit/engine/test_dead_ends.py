"""Rows of logits in which no token is allowed."""

from __future__ import annotations

import math

import pytest
import torch

from armature.engine.scheduler.dead_ends import filled

NONE, SOME, ALL = [-math.inf] * 3, [-math.inf, 0.5, -2.0], [0.1, 0.2, 0.3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_rows_without_a_finite_value_change(dtype: torch.dtype) -> None:
    logits = torch.tensor([NONE, SOME, ALL], dtype=dtype)
    before = logits.clone()
    assert filled(logits)[0].tolist() == [0.0, 0.0, 0.0]
    assert logits[1:].equal(before[1:])


def test_every_row_can_be_sampled() -> None:
    probabilities = torch.softmax(filled(torch.tensor([NONE, SOME, ALL])), dim=-1)
    assert torch.multinomial(probabilities, 1).shape == (3, 1)
