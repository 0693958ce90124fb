"""Hugging Face's Llama modules import torchvision, which beside CPU torch needs the same stand-in as the engine."""

from __future__ import annotations

from armature.engine.cpu import activate

activate()
