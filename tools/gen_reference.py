"""Writes docs/reference/config.md from the schema: every field, its type, default and meaning; and the same for shells, which complete
fields (src/armature/config/data/fields.json).

`python tools/gen_reference.py` rewrites them; `--check` fails with a diff when one is stale.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from armature.config.field_data import GROUP
from armature.config.folder import conf_dir, groups
from armature.config.launcher import CHOICE, NAMES, PREFIX, SlurmJobs
from armature.config.schema import Deployment
from generated import bring_up_to_date

ROOT = Path(__file__).absolute().parents[1]
FILE = ROOT / "docs" / "reference" / "config.md"
FIELDS = ROOT / "src" / "armature" / "config" / "data" / "fields.json"

HEAD = """\
# Configuration

Generated from `armature.config.schema`: edit that, not this page.

`armature up agg +model=tiny-qwen3 frontend.port=8080` selects one file of each group under `conf/` and then sets fields.
Set a native SGLang flag with `engine.args.<flag>=<value>` for all workers, or with `topology.roles.<group>.engine.args.<flag>=<value>`
for one group; `armature flags` lists all flags. `null` unsets a flag.

"""

SWEEPS = """\
`armature bench ... hydra/launcher=submitit_slurm hydra.launcher.partition=gpu` submits each run as a Slurm job.

"""


def render() -> str:
    parts = [HEAD, "## Groups\n\n| group | choices |\n|---|---|\n"]
    parts += [f"| `{group}` | {', '.join(f'`{n}`' for n in names)} |\n" for group, names in groups(conf_dir()).items()]
    alone = {name: info for name, info in Deployment.model_fields.items() if _section(info.annotation) is None}
    parts.append("\n## Fields outside sections\n\n| field | type | default | meaning |\n|---|---|---|---|\n")
    parts += [f"| `{name}` | {_type(info.annotation)} | {_default(info)} | {info.description} |\n" for name, info in alone.items()]
    for name, info in Deployment.model_fields.items():
        section = _section(info.annotation)
        if section is not None:
            parts += [
                f"\n## {name}\n\n{inspect.cleandoc(section.__doc__ or '')}\n\n",
                "| field | type | default | meaning |\n|---|---|---|---|\n",
            ]
            parts += [f"| `{field}` | {kind} | {default} | {meaning} |\n" for field, kind, default, meaning in _rows(section, f"{name}.")]
    parts += [f"\n## Jobs of a sweep\n\n{SWEEPS}", "| setting | type | default | meaning |\n|---|---|---|---|\n"]
    parts += [f"| `{field}` | {kind} | {default} | {meaning} |\n" for field, kind, default, meaning in _rows(SlurmJobs, PREFIX)]
    return "".join(parts)


def _rows(section: type[BaseModel], prefix: str) -> list[tuple[str, str, str, str]]:
    return [(path, _type(i.annotation), _default(i), i.description or "") for path, i in _leaves(section, prefix)]


def _leaves(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field that is no section, as a dotted path."""
    for name, info in section.model_fields.items():
        inner = _section(info.annotation)
        if inner is None and typing.get_origin(info.annotation) is dict and _section(typing.get_args(info.annotation)[1]):
            inner, name = _section(typing.get_args(info.annotation)[1]), f"{name}.{GROUP}"
        if inner is not None:
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, info


def fields() -> str:
    """A line for each field that users set: its path (a mapping's ends in a dot), its meaning, its values where they can be listed."""
    rows = {
        path + "." * (typing.get_origin(info.annotation) is dict): {"help": info.description or "", "values": _values(info.annotation)}
        for path, info in (*_leaves(Deployment), *_leaves(SlurmJobs, PREFIX))
    }
    rows[CHOICE] = {"help": "Where the runs of a sweep are started.", "values": list(NAMES)}
    return "{\n" + ",\n".join(f"{json.dumps(path)}: {json.dumps(row)}" for path, row in sorted(rows.items())) + "\n}\n"


def _values(annotation: object) -> list[str]:
    if typing.get_origin(annotation) is typing.Literal:
        return [str(a) for a in typing.get_args(annotation)]
    if annotation is bool:
        return ["true", "false"]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return [value for a in typing.get_args(annotation) for value in _values(a)]
    return []


def _section(annotation: object) -> type[BaseModel] | None:
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def _type(annotation: object) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f"`{a}`" for a in typing.get_args(annotation))
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:  # the latter: of a Literal
        return " or ".join(_type(a) for a in typing.get_args(annotation))
    if annotation is type(None):
        return "null"
    if typing.get_origin(annotation) is dict:
        return "mapping"
    return getattr(annotation, "__name__", str(annotation))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    return "null" if value is None else f"`{value}`"


def main() -> int:
    return bring_up_to_date({FILE: render(), FIELDS: fields()}, Path(__file__))


if __name__ == "__main__":
    sys.exit(main())
