"""Writes docs/reference/config.md from the schema: every field, its type, default and meaning.

`python tools/gen_reference.py` rewrites it; `--check` fails with a diff when it is stale.
"""

from __future__ import annotations

import sys
import types
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from armature.config.compose import conf_dir, groups
from armature.config.launcher import PREFIX, SlurmJobs
from armature.config.schema import Deployment
from generated import bring_up_to_date

FILE = Path(__file__).absolute().parents[1] / "docs" / "reference" / "config.md"

HEAD = """\
# Configuration

Generated from `armature.config.schema`: change it there.

`armature up agg +model=tiny-qwen3 frontend.port=8080` chooses one file of each group under `conf/` and then sets fields.
A native SGLang flag is `engine.args.<flag>=<value>` for all workers, or `topology.roles.<group>.engine.args.<flag>=<value>`
for one group; `armature flags` lists them. `null` takes a flag back.

"""

SWEEPS = """\
`armature bench ... hydra/launcher=submitit_slurm hydra.launcher.partition=gpu` asks Slurm for a job for each run.

"""


def render() -> str:
    parts = [HEAD, "## Groups\n\n| group | choices |\n|---|---|\n"]
    parts += [f"| `{group}` | {', '.join(f'`{n}`' for n in names)} |\n" for group, names in groups(conf_dir()).items()]
    alone = {name: info for name, info in Deployment.model_fields.items() if _section(info.annotation) is None}
    parts.append("\n## By themselves\n\n| field | type | default | meaning |\n|---|---|---|---|\n")
    parts += [f"| `{name}` | {_type(info.annotation)} | {_default(info)} | {info.description} |\n" for name, info in alone.items()]
    for name, info in Deployment.model_fields.items():
        section = _section(info.annotation)
        if section is not None:
            parts += [f"\n## {name}\n\n{(section.__doc__ or '').strip()}\n\n", "| field | type | default | meaning |\n|---|---|---|---|\n"]
            parts += [f"| `{field}` | {kind} | {default} | {meaning} |\n" for field, kind, default, meaning in _rows(section, f"{name}.")]
    parts += [f"\n## Jobs of a sweep\n\n{SWEEPS}", "| setting | type | default | meaning |\n|---|---|---|---|\n"]
    parts += [f"| `{field}` | {kind} | {default} | {meaning} |\n" for field, kind, default, meaning in _rows(SlurmJobs, PREFIX)]
    return "".join(parts)


def _rows(section: type[BaseModel], prefix: str) -> list[tuple[str, str, str, str]]:
    rows = []
    for name, info in section.model_fields.items():
        inner = _section(info.annotation)
        if inner is None and typing.get_origin(info.annotation) is dict and _section(typing.get_args(info.annotation)[1]):
            inner, name = _section(typing.get_args(info.annotation)[1]), f"{name}.<group>"
        if inner is not None:
            rows += _rows(inner, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, _type(info.annotation), _default(info), info.description or ""))
    return rows


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
    return bring_up_to_date({FILE: render()}, Path(__file__))


if __name__ == "__main__":
    sys.exit(main())
