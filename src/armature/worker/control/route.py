"""What a command is: a name, what it can be told, and what is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """What a command is told: a JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Nothing(Body):
    """A command that is told nothing."""


@dataclass(frozen=True, slots=True)
class Route:
    """One command. name: its path. body: what it is told.

    answer: does it, and returns a JSON object. Raises ValueError for what it cannot be told.
    """

    name: str
    body: type[Body]
    answer: Callable[[Any], Awaitable[dict[str, Any]]]
