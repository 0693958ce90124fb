"""Hydra's configs and the user's overrides become one `Deployment`, or an error that says which field and who set it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from armature.config import overrides as words
from armature.config.explain import explain
from armature.config.fields import Unknown, dotted_fields, unknown_part
from armature.config.flags import check_engine_args
from armature.config.folder import folders, groups
from armature.config.schema import Deployment
from armature.config.sources import Sources
from armature.errors import UserError, did_you_mean, nearest, together


@dataclass(frozen=True)
class Composed:
    """A deployment and who set what in it."""

    deployment: Deployment
    sources: Sources


def compose(overrides: Sequence[str], conf: Path | None = None) -> Composed:
    """Compose, check and type a deployment from the user's words (`+model=NAME`, `frontend.port=8080`, ...)."""
    among = folders(conf)
    known = groups(*among)
    given = words.parse(overrides, known)
    try:
        tree, choices = _hydra(among, given)
    except _hydra_errors() as e:
        raise (_unknown_fields(among, given, known) or _explain_hydra(e, given)) from None
    sources = Sources(among, tuple((o.key, o.text) for o in given), choices)
    try:
        deployment = Deployment.model_validate(tree)
    except ValidationError as e:
        raise (_unknown_fields(among, given, known) or explain(e, sources.of, partial(_unknown, tree=tree, sources=sources))) from None
    problems: list[UserError] = []
    for group in deployment.topology.roles:
        problems += check_engine_args(deployment.engine_args(group), partial(_arg_source, group=group, sources=sources))
    if problems:
        raise together(problems)
    return Composed(deployment, sources)


def _hydra_errors() -> tuple[type[Exception], ...]:
    """What `_hydra` raises for what users get wrong. Imported when it is needed: `--help` needs no Hydra."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return HydraException, OmegaConfBaseException


def _hydra(among: tuple[Path, ...], given: Sequence[words.Override]) -> tuple[Any, dict[str, str | None]]:
    """The composed tree, and the choice of each group. Raises Hydra's and OmegaConf's errors."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    first, *others = among
    search = [f"hydra.searchpath={json.dumps([folder.as_uri() for folder in others])}"] if others else []
    with _quiet_hydra(), initialize_config_dir(str(first), version_base="1.3"):
        config = hydra_compose("config", overrides=[*(o.hydra for o in given), *search], return_hydra_config=True)
        chosen: Any = OmegaConf.to_container(config.hydra.runtime.choices)
        choices = {k: v for k, v in chosen.items() if "/" not in k}
        tree: Any = OmegaConf.to_container(OmegaConf.masked_copy(config, [k for k in config if k != "hydra"]), resolve=True)
    return tree, choices


@contextmanager
def _quiet_hydra() -> Iterator[None]:
    """Hydra prints help texts of its own for some errors; ours say it better."""
    from hydra.core.global_hydra import GlobalHydra

    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def _explain_hydra(error: Exception, given: Sequence[words.Override]) -> UserError:
    """Hydra's and OmegaConf's errors, said in the user's terms."""
    text = str(error).strip() or type(error).__name__
    if several := next((o for o in given if words.read_as_hydra(o.text).is_sweep_override()), None):
        return UserError(
            f"{several.key} has several values, but a run takes one",
            where=f"the override {several.text!r}",
            fix=f"for one run per value: armature bench {several.text}; for one value with commas: \"{several.key}='{several.value}'\"",
        )
    return UserError(f"the configuration cannot be composed: {text.splitlines()[0]}", fix="see docs/reference/config.md for all fields")


def _unknown_fields(among: tuple[Path, ...], given: Sequence[words.Override], known: words.Groups) -> UserError | None:
    """The error of all overrides whose field does not exist in what the groups' choices compose; None where all exist."""
    try:
        tree, choices = _hydra(among, [o for o in given if o.key in known])
    except _hydra_errors():
        return None
    sources = Sources(among, tuple((o.key, o.text) for o in given), choices)
    paths = [o.key.split(".") for o in given if o.key not in known]
    errors = [_unknown(path, tree, sources) for path in paths if unknown_part(path, tree)]
    return together(errors) if errors else None


def _unknown(path: Sequence[str], tree: Any, sources: Sources) -> UserError:
    where = sources.of(path)
    found = unknown_part(path, tree) or Unknown(tuple(path[:-1]), path[-1], ())
    before = "".join(f"{part}." for part in found.before)
    rest = "".join(f".{part}" for part in path[len(found.before) + 1 :])
    guess = nearest(found.part, found.names)
    elsewhere = nearest(".".join(path), dotted_fields())
    best = f"{before}{guess}{rest}" if guess else elsewhere
    return UserError(
        f"{before}{found.part}: there is no such field",
        where=where,
        expected=f"one of {', '.join(found.names)}" if found.names else None,
        fix=did_you_mean(best, "see docs/reference/config.md for all fields"),
    )


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
