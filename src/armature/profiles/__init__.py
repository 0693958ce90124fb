"""The profiles: ways to look at a run's processes in detail, as data.

Each module of this package, except `kind`, describes one: its constant `PROFILE` is a `ProfileKind` of the module's name. How a
profile is taken beside the load is the module of the same name in `armature.bench.profiling`; one that only wraps commands has none.

Standard library only: planning and completion import it.
"""

from __future__ import annotations

from armature.plugins import Kinds, extended
from armature.profiles.kind import ProfileKind

__path__ = extended(__path__, __name__)
_KINDS = Kinds[ProfileKind](__name__, __path__, "profile", "PROFILE", besides=("kind",))
names, get, every = _KINDS.names, _KINDS.get, _KINDS.every
