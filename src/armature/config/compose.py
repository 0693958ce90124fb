"""Hydra's configs and the user's overrides become one `Deployment`, or an error that says which field and who set it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from armature import env
from armature.config import overrides as words
from armature.config.fields import dotted_fields, fields_at
from armature.config.flags import check_engine_args
from armature.config.schema import Deployment
from armature.config.sources import Sources
from armature.errors import UserError, nearest


@dataclass(frozen=True)
class Composed:
    """A deployment and who set what in it."""

    deployment: Deployment
    sources: Sources


def conf_dir() -> Path:
    """The folder of configs: ARMATURE_CONF, the checkout's (or Bazel's runfiles'), or the one inside the installed package."""
    if set_to := os.environ.get(env.CONF_DIR):
        return Path(set_to).absolute()
    here = Path(__file__).absolute()  # not resolved: runfiles are links into the checkout
    for folder in (here.parents[1] / "conf", *(up / "conf" for up in here.parents[2:6])):
        if (folder / "config.yaml").is_file():
            return folder
    raise UserError("the folder of configs is missing", fix=f"reinstall armature, or set {env.CONF_DIR}=")


def groups(conf: Path) -> dict[str, list[str]]:
    """group -> the names that can be chosen."""
    return {d.name: sorted(f.stem for f in d.glob("*.yaml")) for d in sorted(conf.iterdir()) if d.is_dir()}


def compose(overrides: Sequence[str], conf: Path | None = None) -> Composed:
    """Compose, check and type a deployment from the user's words (`+model=NAME`, `frontend.port=8080`, ...)."""
    conf = conf or conf_dir()
    known = groups(conf)
    given = words.parse(overrides, known)
    for override in given:
        if override.key in known:
            _check_choice(override, known[override.key])
    tree, choices = _hydra(conf, given)
    sources = Sources(conf, tuple((o.key, o.text) for o in given), choices)
    try:
        deployment = Deployment.model_validate(tree)
    except ValidationError as e:
        raise _explain(e, sources) from None
    for group in deployment.topology.roles:
        check_engine_args(deployment.engine_args(group), partial(_arg_source, group=group, sources=sources))
    return Composed(deployment, sources)


def _hydra(conf: Path, given: Sequence[words.Override]) -> tuple[Any, dict[str, str | None]]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import ConfigCompositionException, HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    GlobalHydra.instance().clear()
    with _quiet_hydra(), initialize_config_dir(str(conf), version_base="1.3"):
        try:
            config = hydra_compose("config", overrides=[o.hydra for o in given], return_hydra_config=True)
            chosen: Any = OmegaConf.to_container(config.hydra.runtime.choices)
            choices = {k: v for k, v in chosen.items() if "/" not in k}
            with_hydra: Any = OmegaConf.to_container(OmegaConf.masked_copy(config, [k for k in config if k != "hydra"]), resolve=True)
        except (ConfigCompositionException, HydraException, OmegaConfBaseException) as e:
            raise _explain_hydra(e, given) from None
    return with_hydra, choices


@contextmanager
def _quiet_hydra() -> Iterator[None]:
    """Hydra prints help texts of its own for some errors; ours say it better."""
    from hydra.core.global_hydra import GlobalHydra

    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def _check_choice(override: words.Override, names: Sequence[str]) -> None:
    if override.value in names or override.value in ("null", ""):
        return
    guess = nearest(override.value, names)
    fix = f"did you mean {override.key}={guess}?" if guess else None
    if override.key == "model" and ("/" in override.value or override.value.startswith((".", "~"))):
        fix = f"for a folder or a Hugging Face id: model.path={override.value}"
    raise UserError(
        f"{override.key}={override.value}: no {override.key} is called {override.value!r}",
        where=f"the override {override.text!r}",
        expected=f"one of {', '.join(names)}",
        fix=fix,
    )


def _explain_hydra(error: Exception, given: Sequence[words.Override]) -> UserError:
    """Hydra's and OmegaConf's errors, said in the user's terms."""
    text = str(error)
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match[1]
        override = next((o for o in given if o.key == key), None)
        return _unknown_field(key.split("."), f"the override {override.text!r}" if override else None)
    if unread := getattr(error, "override", None):  # hydra's OverrideParseException
        override = next((o for o in given if o.hydra == unread), None)
        return UserError(
            f"{override.text if override else unread!r} cannot be read as an override: {text.splitlines()[0]}",
            where=f"the override {override.text!r}" if override else None,
            fix="quote values that hold blanks, brackets or commas: 'key=\"a b\"'",
        )
    return UserError(f"the configuration cannot be composed: {text.splitlines()[0]}")


def _unknown_field(path: Sequence[str], where: str | None) -> UserError:
    dotted = ".".join(path)
    siblings = fields_at(path[:-1])
    guess = nearest(path[-1], siblings)
    best = ".".join((*path[:-1], guess)) if guess else nearest(dotted, dotted_fields())
    return UserError(
        f"{dotted}: there is no such field",
        where=where,
        expected=f"one of {', '.join(siblings)}" if siblings else None,
        fix=f"did you mean {best}?" if best else "see docs/reference/config.md for all fields",
    )


def _explain(error: ValidationError, sources: Sources) -> UserError:
    """The first of pydantic's complaints, with its field, who set it, and what was expected; the others are named."""
    first, *rest = error.errors()
    path = tuple(str(p) for p in first["loc"])
    while path and path[-1] in ("bool", "int", "float", "str", "list[any]", "dict[str,any]"):  # branches of a union, not fields
        path = path[:-1]
    where = sources.of(path)
    if first["type"] == "extra_forbidden":
        return _unknown_field(path, where)
    message = first["msg"].removeprefix("Value error, ")
    got = f", got {first['input']!r}" if path and first["type"] not in ("value_error", "missing") else ""
    label = ".".join(path)
    others = ", ".join(sorted({".".join(map(str, e["loc"])) for e in rest} - {label}))
    more = f"wrong, too: {others}" if others else None
    return UserError(f"{label}: {message[0].lower() + message[1:]}{got}" if label else message, where=where, fix=more)


def _arg_source(name: str, group: str, sources: Sources) -> str | None:
    """Who set a native flag: the innermost section that holds it."""
    for place in (
        ("topology", "roles", group, "engine", "args"),
        ("engine", "args"),
        ("model", "engine", "args"),
        ("hardware", "engine", "args"),
    ):
        where = sources.exactly((*place, name))
        if where:
            return where
    return None
