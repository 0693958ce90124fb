"""What the workers of each role do: every module of this package except `base` is one, and has the role's name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from armature import roles
from armature.plugins import extended

if TYPE_CHECKING:
    from armature.worker.roles.base import RoleModule


__path__ = extended(__path__, __name__)


def load(name: str) -> RoleModule:
    """The module of role `name`. Raises a UserError with the nearest name."""
    return cast("RoleModule", importlib.import_module(f"{__name__}.{roles.get(name).name}"))
