"""What these tests share with those of sweeps on one host."""

from __future__ import annotations

from support.measuring import cache, place, server  # noqa: F401  # fixtures
