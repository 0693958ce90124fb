"""Settings of engines: native SGLang flags."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from armature.config.section import Section

ScalarArg = bool | int | float | str | None
EngineArg = ScalarArg | list[Any] | dict[str, Any]


class EngineSection(Section):
    """Settings of the engine."""

    args: dict[str, EngineArg] = Field(
        default_factory=dict, description="Native SGLang flags, in snake_case, checked against the pinned version."
    )
