"""The whole run: what must be true before it starts, and load.json."""

from __future__ import annotations

import platform
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from armature_load.address import AddressError, Server
from armature_load.discovery import CannotStart, counting, first_model
from armature_load.phase import Reason
from armature_load.reading import SettingsError
from armature_load.records import VERSION, FolderTaken, claim, try_write_json
from armature_load.settings import Settings
from armature_load.trace import read_trace

INVALID = 3  # the exit code of a run whose client was too slow


class Run:
    """What the first process knows of a run. settings: once started, as they are in effect. folder: None writes nothing."""

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
            self.settings = replace(self.settings, server=counting(self.settings, self._url, self.model))
            if self.folder is not None:
                claim(self.folder)
            if why := self._write("error"):  # what stands there when this process is killed
                raise CannotStart(f"--record-dir: {why}")
        except AddressError as e:
            raise CannotStart(f"--host: {e}") from None
        except FolderTaken as e:
            raise CannotStart(f"--record-dir: {e}: name another folder") from None
        except OSError as e:
            raise CannotStart(f"--record-dir: {self.folder} cannot be written: {e.strerror}") from None
        except SettingsError as e:
            raise CannotStart(str(e)) from None

    def measuring(self, at: float) -> None:
        """All processes measure from `at` (Unix time) on."""
        self._measure_started = at
        self._write("error")  # whether it could be written is told at the end

    def end(self, reason: Reason, reports: list[dict[str, Any]]) -> None:
        """Write the end, once."""
        if self._ended:
            return
        self._ended = True
        self.reasons = [f"process {r['process']}: {why}" for r in reports for why in r["reasons"]]
        if why := self._write(reason):
            self.reasons.append(why)

    def _write(self, reason: Reason) -> str | None:
        """Why load.json could not be written, if so."""
        if self.folder is None:
            return None
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
        return try_write_json(self.folder / "load.json", data)
