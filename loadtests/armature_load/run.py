"""The whole run: what must be true before it starts, and load.json."""

from __future__ import annotations

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gevent

from armature_load.http import AddressError, Answer, ClosedEarly, Connections, Server, exchange
from armature_load.phase import Reason
from armature_load.reading import SettingsError
from armature_load.records import VERSION, FolderTaken, claim, write_json
from armature_load.settings import Settings
from armature_load.trace import read_trace

INVALID = 3  # the exit code of a run whose client was too slow


class CannotStart(Exception):
    """The run cannot start; the text says why, and what to do."""


def first_model(settings: Settings, url: str) -> str:
    """The name of the server's first model. Raises CannotStart."""
    try:
        headers = {str(k): str(v) for k, v in settings.headers.items()}
        connections = Connections(Server.of(url), headers, settings.connect_timeout_s, settings.insecure)
        parts: list[bytes] = []
        with gevent.Timeout(settings.connect_timeout_s, TimeoutError("no answer")):
            sock, _ = connections.take()
            with sock:
                answer: Answer = exchange(sock, connections.get("/v1/models"), lambda t, a, piece: parts.append(piece))
        if answer.get_code() != 200:
            raise ValueError(f"HTTP {answer.get_code()}")
        return str(json.loads(b"".join(parts))["data"][0]["id"])
    except AddressError as e:
        raise CannotStart(f"--host: {e}") from None
    except (OSError, ClosedEarly, ValueError, LookupError, TypeError) as e:
        raise CannotStart(f"{url}/v1/models names no model ({e}): is the server up? Or name its model with --model") from None


class Run:
    """What the first process knows of a run. folder: None writes nothing."""

    def __init__(self, settings: Settings, url: str, folder: Path | None) -> None:
        self.settings = settings
        self.folder = folder
        self._url = url
        self.model = ""
        self._started = time.time()
        self._measure_started: float | None = None
        self.reasons: list[str] = []
        self._ended = False

    def start(self) -> None:
        """Check what can be checked and claim the folder. Raises CannotStart."""
        try:
            Server.of(self._url)
            for shape in (self.settings.shape, *(c.shape for c in self.settings.classes)):
                if shape and shape.trace:
                    read_trace(shape.trace, shape.speed)
            self.model = self.settings.model or first_model(self.settings, self._url)
            if self.folder is not None:
                claim(self.folder)
        except AddressError as e:
            raise CannotStart(f"--host: {e}") from None
        except FolderTaken as e:
            raise CannotStart(f"--record-dir: {e}: name another folder") from None
        except OSError as e:
            raise CannotStart(f"--record-dir: {self.folder} cannot be written: {e.strerror}") from None
        except SettingsError as e:
            raise CannotStart(str(e)) from None
        self._write("error")  # what stands there when this process is killed

    def measuring(self, at: float) -> None:
        """All processes measure from `at` (Unix time) on."""
        self._measure_started = at
        self._write("error")

    def end(self, reason: Reason, reports: list[dict[str, Any]]) -> None:
        """Write the end, once."""
        if self._ended:
            return
        self._ended = True
        self.reasons = [f"process {r['process']}: {why}" for r in reports for why in r["reasons"]]
        self._write(reason)

    def _write(self, reason: Reason) -> None:
        if self.folder is None:
            return
        packages = {name: version(name) for name in ("locust", "geventhttpclient", "gevent")}
        now = time.time()
        data = {
            "v": VERSION,
            "settings": self.settings.shown(),
            "host": self._url,
            "model": self.model,
            "seed": self.settings.seed,
            "started": round(self._started, 6),
            "measure_started": round(self._measure_started or now, 6),
            "ended": round(now, 6),
            "end_reason": reason,
            "versions": packages | {"python": platform.python_version()},
        }
        write_json(self.folder / "load.json", data)
