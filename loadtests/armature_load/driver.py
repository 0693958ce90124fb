"""One process's part of a run: it warms up, measures when all are warm, watches itself meanwhile, and writes its files."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import gevent

from armature_load.address import Server
from armature_load.asking import Asker
from armature_load.clock import Clock
from armature_load.http import Connections
from armature_load.lanes import Share, lanes
from armature_load.phase import Phase, Reason
from armature_load.prompts import Corpus
from armature_load.records import RequestLog, try_write_json
from armature_load.requests import Maker
from armature_load.scribe import Scribe
from armature_load.settings import Settings
from armature_load.watch import Watch

FLUSH_S = 1.0
_GC_THRESHOLD = 50_000  # a run makes hardly any cycles; looking for them would stop the loop for milliseconds


class Party(Protocol):
    """What a process needs of the whole run. Local: nobody else; distributed: the master."""

    def measure_at(self) -> float:
        """Unix time at which all processes begin to measure; returns when all are warm."""

    def sample(self, value_ms: float) -> None:
        """A measured value of the mean that the run wants to know."""

    def done(self, process: int, report: dict[str, Any], reason: Reason) -> None:
        """This process has ended, its files are whole."""


class Driver:
    """Runs `settings` against `url`. folder: of the records, None writes none. fire: told of each measured request."""

    def __init__(
        self,
        settings: Settings,
        url: str,
        model: str,
        share: Share,
        folder: Path | None,
        party: Party,
        fire: Callable[[dict[str, Any]], None],
    ) -> None:
        self._settings = settings
        self._model = model
        self._share = share
        self._folder = folder
        self._party = party
        self._fire = fire
        self._clock = Clock()
        self._watch = Watch()
        self._log = RequestLog(folder, share.process)
        headers = {str(k): str(v) for k, v in settings.headers.items()}
        self._connections = Connections(Server.of(url), headers, settings.connect_timeout_s, settings.insecure)
        self._scribe = Scribe(self._clock, share.process, self._write)
        self._asker = Asker(self._connections, settings.timeout_s, self._scribe.add)
        self._phase: Phase | None = None
        self._stopped: Reason | None = None
        self._failures = 0

    def run(self) -> None:
        """To the end of the run, or until `stop`."""
        s = self._settings
        writers = [gevent.spawn(self._flush), gevent.spawn(self._scribe.run)]
        reason: Reason = "error"
        try:
            corpora = {kind: Corpus(s.seed, kind, s.id_range) for kind in {c.kind for c in s.classes}}
            work = lanes(s, tuple(Maker(c, s, self._model, corpora[c.kind]) for c in s.classes))
            gc.collect()
            gc.freeze()
            gc.set_threshold(_GC_THRESHOLD)
            if s.warmup.count is not None or s.warmup.time_s is not None:
                reason = self._run_phase("warmup", tuple(x.warming(s.warmup) for x in work), self._clock.unix_now(), s.warmup.time_s)
            if self._stopped is None:
                origin = self._party.measure_at()
                gevent.sleep(max(0.0, self._clock.monotonic(origin) - self._clock.now() - 0.005))
                self._watch.begin()
                reason = self._run_phase("measure", work, origin, s.end.time_s)
                self._watch.end()
            reason = self._stopped or reason
        finally:
            self._watch.end()
            gevent.killall(writers)
            self._scribe.finish()
            self._connections.close()
            self._log.close()
            report = self._watch.report(self._share.process, os.getpid(), s.limits, self._log.gaps())
            if self._folder is not None and (why := try_write_json(self._folder / f"client.{self._share.process}.json", report)):
                report["reasons"].append(why)
            self._party.done(self._share.process, report, reason)

    def stop(self, reason: Reason) -> None:
        """Send no more; `run` returns when what runs has ended, or at once for "stopped"."""
        self._stopped = self._stopped or reason
        if self._phase is not None:
            self._phase.stop(reason)

    def _run_phase(self, name: str, work: Any, origin: float, time_s: float | None) -> Reason:
        self._phase = Phase(name, work, self._share, self._asker, self._watch, self._clock.monotonic(origin))
        if self._stopped is not None:
            return self._stopped
        return self._phase.run(time_s, self._settings.end.drain_s)

    def _write(self, record: dict[str, Any]) -> None:
        self._log.add(record)
        refused = record["error"] is not None and record["error"]["kind"] == "connection"
        self._failures = self._failures + 1 if refused else 0
        if self._settings.end.errors and self._failures >= self._settings.end.errors:
            self.stop("error")
        if record["phase"] != "measure":
            return
        self._watch.requests += 1
        self._watch.chunks += record["chunks"]
        known = self._settings.end.known
        if known is not None and record["ok"] and (value := record[f"{known.of}_ms"]) is not None:
            self._party.sample(value)
        self._fire(record)

    def _flush(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self._log.flush()
