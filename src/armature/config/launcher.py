"""`hydra/launcher=NAME hydra.launcher.KEY=VALUE`: where the runs of a sweep are started, in the words that users of Hydra know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, ValidationError

from armature.config.explain import explain
from armature.config.overrides import read_as_hydra
from armature.config.section import Section
from armature.errors import UserError, did_you_mean, nearest

CHOICE, PREFIX = "hydra/launcher", "hydra.launcher."
NAMES = ("basic", "submitit_slurm")


class SlurmJobs(Section):
    """How each run of a sweep is asked of Slurm: sbatch's options, under the names that submitit and its plugin for Hydra give them."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = Field(default=None, description="Hosts that runs must not use.")
    gres: str | None = None
    comment: str | None = None
    name: str = Field(default="armature", description="The jobs' name in the queue.")
    timeout_min: int = Field(default=60, gt=0, description="Time limit of a run in minutes.")
    signal_delay_s: int = Field(default=90, ge=0, description="A run starts to drain this many seconds before its time limit.")
    cpus_per_task: int | None = Field(default=None, gt=0, description="Cores of a run; null: the cluster's default.")
    mem_gb: float | None = Field(default=None, gt=0, description="Memory of a run in GB.")
    gpus_per_node: int | None = Field(default=None, ge=0, description="GPUs of a run; null: its hardware.gpus.")
    exclusive: bool = Field(
        default=True, description="Whether a run has its host to itself; other jobs on the host would disturb the measurement."
    )
    array_parallelism: int = Field(default=256, gt=0, description="Maximum number of concurrent runs.")
    setup: list[str] = Field(default_factory=list, description="Shell commands before each run, such as 'module load cuda'.")
    additional_parameters: dict[str, Any] = Field(default_factory=dict, description="Additional sbatch options.")
    submitit_folder: str | None = Field(
        default=None, description="Folder of the jobs' scripts, logs and results; null: jobs/ in the sweep's folder."
    )


def read(words: Sequence[str]) -> tuple[list[str], SlurmJobs | None]:
    """The words that are not about the launcher, and what the others say; None: runs start here, one after the other.

    Raises UserError for a launcher or a setting that does not exist.
    """
    rest: list[str] = []
    name, settings = "basic", dict[str, tuple[str, Any]]()
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        if key == CHOICE:
            name = _chosen(word, value)
        elif key.startswith(PREFIX):
            settings[key.removeprefix(PREFIX)] = (word, _value(word))
        else:
            rest.append(word)
    if name == "basic":
        if settings:
            word, _ = next(iter(settings.values()))
            raise UserError("the launcher 'basic' has no settings", where=f"the override {word!r}", fix=f"add {CHOICE}=submitit_slurm")
        return rest, None
    return rest, _checked(settings)


def _chosen(word: str, name: str) -> str:
    if name not in NAMES:
        guess = nearest(name, NAMES)
        fix = did_you_mean(guess and f"{CHOICE}={guess}")
        raise UserError(f"there is no launcher {name!r}", where=f"the override {word!r}", expected=f"one of {', '.join(NAMES)}", fix=fix)
    return name


def _value(word: str) -> Any:
    override = read_as_hydra(word)
    if override.is_sweep_override():
        raise UserError(f"{word!r}: a launcher's setting takes one value", fix="quote a value with commas: KEY='a,b'")
    return override.value()


def _checked(settings: dict[str, tuple[str, Any]]) -> SlurmJobs:
    known = sorted(SlurmJobs.model_fields)

    def where(path: Sequence[str]) -> str | None:
        return next((f"the override {word!r}" for key, (word, _) in settings.items() if key.split(".")[0] == path[0]), None)

    def unknown(path: Sequence[str]) -> UserError:
        guess = nearest(path[0], known)
        otherwise = f"for sbatch's other options: {PREFIX}additional_parameters.{path[0]}=VALUE"
        return UserError(
            f"{PREFIX}{path[0]}: there is no such setting",
            where=where(path),
            expected=f"one of {', '.join(known)}",
            fix=did_you_mean(guess and PREFIX + guess, otherwise),
        )

    try:
        return SlurmJobs.model_validate(_nested({key: value for key, (_, value) in settings.items()}))
    except ValidationError as e:
        raise explain(e, where, unknown, PREFIX) from None


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """`additional_parameters.KEY` as a mapping: the only setting that has keys of its own."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        outer, _, inner = key.partition(".")
        if inner:
            nested.setdefault(outer, {})[inner] = value
        else:
            nested[outer] = value
    return nested
