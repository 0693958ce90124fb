"""The roles: what kinds of workers exist, as data.

Each module of this package, except `apis` and `kind`, describes one role: its constant `ROLE` is a `RoleKind` of the module's name.
Planning, launching, registration, alerts and documentation read these facts; no other module compares a role's name. What a worker
of the role does is the module of the same name in `armature.worker.roles`.

Standard library only: shells import it while somebody types.
"""

from __future__ import annotations

from armature.plugins import Kinds, extended
from armature.roles.kind import RoleKind

__path__ = extended(__path__, __name__)
_KINDS = Kinds[RoleKind](__name__, __path__, "role", "ROLE", besides=("apis", "kind"))
names, get, every = _KINDS.names, _KINDS.get, _KINDS.every
