"""Traces of engines by torch's profiler."""

from __future__ import annotations

from armature.profiles.kind import ProfileKind

PROFILE = ProfileKind("torch", "operators of each engine, and a trace for Perfetto", control=("profile/start", "profile/stop"))
