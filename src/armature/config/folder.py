"""The folder of configs, and what can be chosen in it. Quick to import: shells ask for it while somebody types."""

from __future__ import annotations

import os
from pathlib import Path

from armature import env
from armature.errors import UserError


def conf_dir() -> Path:
    """The folder of configs: ARMATURE_CONF, the checkout's (or Bazel's runfiles'), or the one inside the installed package."""
    if set_to := os.environ.get(env.CONF_DIR):
        return Path(set_to).absolute()
    here = Path(__file__).absolute()  # not resolved: runfiles are links into the checkout
    for folder in (here.parents[1] / "conf", *(up / "conf" for up in here.parents[2:6])):
        if (folder / "config.yaml").is_file():
            return folder
    raise UserError("the folder of configs is missing", fix=f"reinstall armature, or set {env.CONF_DIR}=")


def folders(conf: Path | None = None) -> tuple[Path, ...]:
    """All folders of configs: `conf` (None: `conf_dir()`), then `conf/` of each plugin folder. A file in an earlier one goes first."""
    return (conf or conf_dir(), *(folder / "conf" for folder in env.plugin_folders() if (folder / "conf").is_dir()))


def groups(*conf: Path) -> dict[str, list[str]]:
    """group -> the names that can be chosen in all these folders. Groups are those of the first."""
    own = sorted(d.name for d in conf[0].iterdir() if d.is_dir())
    return {group: sorted({f.stem for folder in conf for f in (folder / group).glob("*.yaml")}) for group in own}
