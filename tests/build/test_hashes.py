"""A file whose hash is not the lock's never becomes part of a build."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

UNPACK = Path(__file__).absolute().parents[2] / "third_party/pip/unpack_wheels.py"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with one small wheel, and pip pointed at nothing else."""
    folder = tmp_path / "links"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_thing.py", "ANSWER = 42\n")
        wheel.writestr("tiny_thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        wheel.writestr("tiny_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny_thing-1.0.dist-info/RECORD", "")
        wheel.writestr("tiny_thing-1.0.dist-info/entry_points.txt", "[console_scripts]\ntiny = tiny_thing:main\n")
    return folder


def unpack(wheels: Path, into: Path, digest: str) -> subprocess.CompletedProcess[str]:
    lock = wheels.parent / "tiny.lock"
    lock.write_text(f"tiny-thing==1.0 \\\n    --hash=sha256:{digest}\n    # via armature (pyproject.toml)\n")
    into.mkdir()
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(into),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CONFIG_FILE": "/dev/null",
    }
    return subprocess.run(
        [_python_with_pip(), "-I", str(UNPACK), str(lock)], cwd=into, env=environ, capture_output=True, text=True, check=False
    )


def _python_with_pip() -> str:
    """The interpreter that fetches: the host's, because the one that Bazel gives to tests has nothing installed."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)).absolute())


def test_the_right_hash_is_unpacked(wheels: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(next(wheels.glob("*.whl")).read_bytes()).hexdigest()
    done = unpack(wheels, tmp_path / "repository", digest)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "repository/tiny_thing/site-packages/tiny_thing.py").read_text() == "ANSWER = 42\n"
    assert (tmp_path / "repository/environment/bin/tiny").exists()
    assert 'name = "merged"' in (tmp_path / "repository/BUILD.bazel").read_text()


def test_a_wrong_hash_fails_the_fetch(wheels: Path, tmp_path: Path) -> None:
    done = unpack(wheels, tmp_path / "repository", "0" * 64)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "repository/tiny_thing").exists()
