"""The roles: what kinds of workers exist, as data.

Each module of this package, except `apis` and `kind`, describes one role: its constant `ROLE` is a `RoleKind` of the module's name.
Planning, launching, registration, alerts and documentation read these facts; no other module compares a role's name. What a worker
of the role does is the module of the same name in `armature.worker.roles`.

Standard library only: shells import it while somebody types.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

from armature.errors import UserError, did_you_mean, nearest
from armature.plugins import extended
from armature.roles.kind import RoleKind

__path__ = extended(__path__, __name__)
_NO_ROLES = ("apis", "kind")


@functools.cache
def names() -> tuple[str, ...]:
    """All roles, in alphabetical order."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _NO_ROLES))


def get(name: str) -> RoleKind:
    """The role called `name`. Raises a UserError with the nearest name."""
    if name not in names():
        guess = nearest(name, names())
        raise UserError(f"role {name!r} does not exist", expected=" | ".join(names()), fix=did_you_mean(repr(guess) if guess else None))
    role: RoleKind = importlib.import_module(f"{__name__}.{name}").ROLE
    return role


def every() -> tuple[RoleKind, ...]:
    """All roles, in alphabetical order of their names."""
    return tuple(map(get, names()))
