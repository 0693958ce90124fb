"""Armature: SGLang serving on the NVIDIA Dynamo runtime, as one typed graph."""

from __future__ import annotations

__version__ = "0.1.0"
