"""What a record says of where it was made."""

from __future__ import annotations

import os
from typing import Any

from armature.launch import facts
from armature.launch.facts import gpu_names as gpus
from armature.launch.facts import versions

__all__ = ["gpus", "hardware", "versions"]


def hardware() -> dict[str, Any]:
    """Processor, cores and memory of this host, and how busy it was when asked. No name of it."""
    return facts.hardware() | {"load_average": [round(x, 2) for x in os.getloadavg()], "niceness": os.nice(0)}
