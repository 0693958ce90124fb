"""Flame graphs by py-spy."""

from __future__ import annotations

from armature.profiles.kind import ProfileKind

PROFILE = ProfileKind("pyspy", "Python flame graphs", nodes="services", programs=("py-spy",))
