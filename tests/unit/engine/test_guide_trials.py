"""What the process that tries guides says of them. It runs in forks, beside a GPU, too."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from armature.engine.guides import compiler
from armature.engine.guides.compiler import NO_BACKEND, Trial
from armature.engine.guides.trials import Trials
from armature.engine.types import GuidesUnavailable
from armature.limits import DEFAULT_LIMITS
from armature.messages.tokens import Guide


class XGrammarGrammar:
    """As SGLang's is beside a GPU: it pins the memory of a mask, and a fork cannot."""

    vocab_size = 300
    ctx = SimpleNamespace(memory_size_bytes=100)

    def __init__(self, allowed: int | None) -> None:
        self._allowed = allowed

    def allocate_vocab_mask(self, *args: object) -> torch.Tensor:
        raise RuntimeError("CUDA error: initialization error")

    def fill_vocab_mask(self, mask: torch.Tensor, row: int) -> None:
        mask[row] = 0
        if self._allowed is not None:
            mask[row, self._allowed // 32] = 1 << self._allowed % 32


@pytest.mark.parametrize(("allowed", "dead"), [(None, True), (0, False), (299, False)])
def test_a_guide_is_looked_at_without_the_gpu(monkeypatch: pytest.MonkeyPatch, allowed: int | None, dead: bool) -> None:
    module: Any = ModuleType("xgrammar_backend")
    module.XGrammarGrammar = XGrammarGrammar
    monkeypatch.setitem(sys.modules, "sglang.srt.constrained.xgrammar_backend", module)
    outcome = compiler._outcome(XGrammarGrammar(allowed))
    assert (outcome.dead, outcome.error) == (dead, None)


def test_without_a_compiler_every_guide_is_refused_by_that_name() -> None:
    assert compiler._compiled(None, Trial("regex", "a", 1, 1)).error == NO_BACKEND


async def test_a_client_learns_that_the_engine_follows_no_guides(monkeypatch: pytest.MonkeyPatch) -> None:
    async def outcome(self: Trials, key: str, guide: Guide) -> compiler.Outcome:
        return compiler.Outcome(error=NO_BACKEND)

    monkeypatch.setattr(Trials, "_outcome", outcome)
    with pytest.raises(GuidesUnavailable, match="grammar_backend"):
        async with Trials(DEFAULT_LIMITS).admitted(Guide("regex", "a")):
            pass
