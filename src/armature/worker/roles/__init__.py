"""The roles, found by name: every module of this package except `base` is one."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, cast

from armature.errors import UserError, nearest

if TYPE_CHECKING:
    from armature.worker.roles.base import RoleModule


def names() -> tuple[str, ...]:
    """All roles, in alphabetical order."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base"))


def load(name: str) -> RoleModule:
    """The module of role `name`. Raises a UserError with the nearest name."""
    valid = names()
    if name not in valid:
        guess = nearest(name, valid)
        raise UserError(
            f"there is no role {name!r}",
            expected=" | ".join(valid),
            fix=f"did you mean {guess!r}?" if guess else None,
        )
    return cast("RoleModule", importlib.import_module(f"{__name__}.{name}"))
