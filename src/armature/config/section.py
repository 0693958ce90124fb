"""What every part of the deployment is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the deployment: immutable, and strict about the names of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
