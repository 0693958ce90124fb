"""The launchers: what can run a plan, as data.

Each module of this package, except `kind`, describes one: its constant `LAUNCHER` is a `LauncherKind` of the module's name. The launcher
itself is the module of the same name in `armature.launch.launchers`.

Standard library only: planning and completion import it.
"""

from __future__ import annotations

from armature.launchers.kind import LauncherKind
from armature.plugins import Kinds, extended

__path__ = extended(__path__, __name__)
_KINDS = Kinds[LauncherKind](__name__, __path__, "launcher", "LAUNCHER", besides=("kind",))
names, get, every = _KINDS.names, _KINDS.get, _KINDS.every
