"""A shared machine stalls: how long one example takes says nothing here."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("bench", deadline=None)
settings.load_profile("bench")
