"""The fields that users set, as data: path, meaning, values. Quick to read, where the schema takes its time to import.

data/fields.json is written by tools/gen_reference.py from the schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

GROUP = "<group>"  # stands in a path for a name that a topology gives to workers of one kind


@dataclass(frozen=True)
class Field:
    """help: what it means. values: all that it may have, where they can be listed."""

    help: str
    values: tuple[str, ...] = ()


@cache
def fields() -> Mapping[str, Field]:
    """Every field by its dotted path; the path of a mapping, whose keys are the user's, ends in a dot."""
    data = json.loads(resources.files("armature.config").joinpath("data/fields.json").read_text())
    return {path: Field(row["help"], tuple(row["values"])) for path, row in data.items()}
