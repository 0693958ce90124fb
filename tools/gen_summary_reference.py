"""Writes docs/reference/summary.md and summary.schema.json from the models of summary.json.

`python tools/gen_summary_reference.py` rewrites them; `--check` fails with a diff when one is stale.
"""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from armature.bench import parquet
from armature.bench.summary import SUMMARY_VERSION, Summary
from generated import bring_up_to_date

REFERENCE = Path(__file__).absolute().parents[1] / "docs" / "reference"

HEAD = f"""\
# summary.json

Generated from `armature.bench.summary` (version {SUMMARY_VERSION}): edit that, not this page. `summary.schema.json` is its JSON schema.

`armature summarize RUN` writes `summary.json` to `RUN/results/`, with `requests.parquet`: one row per request.
Only requests of the measuring phase count. Only successful requests have latencies and tokens.

Percentiles are interpolated linearly: the q-th percentile of n sorted values is at index (n - 1) q / 100, counted from 0.
"""


def markdown() -> str:
    parts = [HEAD]
    for model in _models(Summary):
        parts.append(f"\n## {model.__name__}\n\n{(model.__doc__ or '').strip()}\n\n| field | type | meaning |\n|---|---|---|\n")
        parts += [f"| `{name}` | {_type(info.annotation)} | {info.description or ''} |\n" for name, info in model.model_fields.items()]
    parts.append(
        "\n## requests.parquet\n\nThe file's metadata has `armature.requests.version`; each column's metadata has the meaning below.\n\n"
    )
    parts.append("| column | type | meaning |\n|---|---|---|\n")
    for c in parquet.SCHEMA:
        kind = str(c.type).replace("<item: ", " of ").rstrip(">") + (" or null" if c.nullable else "")
        parts.append(f"| `{c.name}` | {kind} | {c.metadata[b'description'].decode()} |\n")
    return "".join(parts)


def schema() -> str:
    return json.dumps(Summary.model_json_schema(), indent=1) + "\n"


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """`model` and every model in its fields, each once, in the order in which they are met."""
    found = {model: None}
    waiting = [model]
    for each in waiting:
        new = dict.fromkeys(m for info in each.model_fields.values() for m in _inside(info.annotation) if m not in found)
        found |= new
        waiting += new
    return list(found)


def _inside(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _inside(argument)


def _type(annotation: object) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{json.dumps(a)}`" for a in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(a) for a in arguments)
    if origin is dict:
        return f"mapping to {_type(arguments[1])}"
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if annotation is type(None):
        return "null"
    name = getattr(annotation, "__name__", str(annotation))
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return f"[{name}](#{name.lower()})" if is_model else name.lower()


def main() -> int:
    return bring_up_to_date({REFERENCE / "summary.md": markdown(), REFERENCE / "summary.schema.json": schema()}, Path(__file__))


if __name__ == "__main__":
    sys.exit(main())
