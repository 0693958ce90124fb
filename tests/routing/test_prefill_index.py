"""The router's view of prefill workers, whose caches are what counts where prefill is separate."""

from __future__ import annotations

from typing import Any

import pytest
from settling import settled

from support.caches import random_requests

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def test_prefill_workers_publish(pairs: Any) -> None:
    random_requests(pairs, 80, seed=9)
    settled(pairs, "armature.prefill.generate")
