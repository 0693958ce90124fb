"""Profiles taken beside a load: each module but `taking` and `trace` has the name of a profile (`armature.profiles`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from armature import profiles
from armature.plugins import extended

if TYPE_CHECKING:
    from armature.bench.profiling.taking import ProfileModule

__path__ = extended(__path__, __name__)


def load(name: str) -> ProfileModule:
    """The module that takes the profile `name`. Raises a UserError with the nearest name."""
    return cast("ProfileModule", importlib.import_module(f"{__name__}.{profiles.get(name).name}"))
