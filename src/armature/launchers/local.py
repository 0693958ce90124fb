"""Processes of this machine."""

from __future__ import annotations

from armature.launchers.kind import LauncherKind

LAUNCHER = LauncherKind("local", "processes of this machine")
