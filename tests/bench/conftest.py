"""What these tests share."""

from __future__ import annotations

from support.measuring import cache, place, server  # noqa: F401  # fixtures
