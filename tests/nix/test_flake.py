"""The flake evaluates and its shells open, with a stand-in for nixpkgs: structure is checked, packages are not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[2]
# Flakes; and what Nix needs as root without a daemon, in a container, on a network without its cache.
SETTINGS = """
extra-experimental-features = nix-command flakes
build-users-group =
sandbox = false
substitute = false
"""
STUBBED = ("--override-input", "nixpkgs", "path:./tests/nix/stub", "--no-write-lock-file")


@pytest.fixture(scope="module")
def flake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the flake and the stand-in: Nix copies the whole folder to its store."""
    if shutil.which("nix") is None:
        reason = "nix is not installed (Debian: apt-get install nix-bin)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("flake")
    for name in ("flake.nix", "flake.lock"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "tests/nix/stub", folder / "tests/nix/stub")
    return folder


def nix(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"NIX_CONFIG": SETTINGS}
    return subprocess.run(["nix", *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False)


def test_the_flake_is_checked(flake: Path) -> None:
    done = nix(flake, "flake", "check", "path:.", "--no-build", *STUBBED)
    assert done.returncode == 0, done.stderr


def test_a_name_that_nixpkgs_lacks_fails_the_check(flake: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(flake, broken)
    text = (broken / "flake.nix").read_text()
    assert "graphviz" in text
    (broken / "flake.nix").write_text(text.replace("graphviz", "grapviz"))
    done = nix(broken, "flake", "check", "path:.", "--no-build", *STUBBED)
    assert done.returncode != 0
    assert "grapviz" in done.stderr


@pytest.mark.parametrize("shell", ["default", "cuda"])
def test_a_shell_opens(flake: Path, shell: str) -> None:
    done = nix(flake, "develop", f"path:.#{shell}", *STUBBED, "-c", "true")
    assert done.returncode == 0, done.stderr


def test_the_lock_pins_what_the_flake_asks_for(flake: Path) -> None:
    lock = json.loads((flake / "flake.lock").read_text())
    pinned = lock["nodes"]["nixpkgs"]
    asked = pinned["original"]
    assert f'"{asked["type"]}:{asked["owner"]}/{asked["repo"]}/{asked["ref"]}"' in (flake / "flake.nix").read_text()
    assert len(pinned["locked"]["rev"]) == 40
    assert pinned["locked"]["narHash"].startswith("sha256-")
