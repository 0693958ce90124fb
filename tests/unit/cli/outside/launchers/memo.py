"""A launcher of a user's own, which only writes."""

from armature.launchers.kind import LauncherKind

LAUNCHER = LauncherKind("memo", "writes down what it would start", several_hosts=True)
