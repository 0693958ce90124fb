"""A load while it runs: its files as they grow, and the figures of its last seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from armature.bench.progress import Extent, extent
from armature.bench.read import read_one
from armature.bench.records import Load, Request
from armature.bench.stats import distribution
from armature.bench.summary import Distribution

WINDOW_S = 10.0


class Tail:
    """The lines of a file that grows. The file may not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        self._rest = b""

    def lines(self) -> list[bytes]:
        """The lines that were completed since the last call."""
        try:
            with self.path.open("rb") as f:
                f.seek(self._at)
                data = f.read()
        except FileNotFoundError:
            return []
        self._at += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line for line in whole if line.strip()]


@dataclass(frozen=True)
class LoadNow:
    """A load at one moment. Rates and latencies are of the requests that ended in the last WINDOW_S seconds.

    phase: of the newest request; "ended (reason)" when the generator has said so. None: no load has begun.
    share: how much of the measured part is done, from 0 to 1; None while it warms up, and where its settings do not say.
    """

    phase: str | None
    done: int = 0
    failed: int = 0
    requests_per_s: float = 0.0
    tokens_per_s: float = 0.0
    ttft_ms: Distribution | None = None
    itl_ms: Distribution | None = None
    share: float | None = None


class LoadWatch:
    """Follows the folder load/ of a run. Only requests that have ended are in its files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tails: dict[Path, Tail] = {}
        self._recent: deque[Request] = deque()
        self._done = self._failed = self._measured = 0
        self._extent: Extent | None = None
        self._began: float | None = None
        self._phase: str | None = None

    def look(self, now: float, gaps: bool = True) -> LoadNow:
        """Take in what was written since the last call.

        now: seconds since 1970. gaps: whether the ITL is wanted; it has a value for each token, and takes its time.
        Raises UserError for files of another version.
        """
        for file in sorted(self._folder.glob("requests.*.jsonl")):
            tail = self._tails.setdefault(file, Tail(file))
            for line in tail.lines():
                self._take(read_one(line, Request, str(file)))
        self._recent = deque(r for r in self._recent if r.ended > now - WINDOW_S)
        about = self._about()
        ended = _end(about)
        recent = [r for r in self._recent if r.ok]
        seconds = max(0.1, min(WINDOW_S, now - self._began)) if self._began is not None else WINDOW_S
        return LoadNow(
            phase=f"ended ({ended})" if ended else self._phase,
            done=self._done,
            failed=self._failed,
            requests_per_s=len(recent) / seconds,
            tokens_per_s=sum(r.output_tokens or 0 for r in recent) / seconds,
            ttft_ms=distribution([r.ttft_ms for r in recent if r.ttft_ms is not None]),
            itl_ms=distribution([gap for r in recent for gap in r.gaps_ms]) if gaps else None,
            share=self._share(about, now) if about and not ended else None,
        )

    @property
    def ended(self) -> str | None:
        """Why the load ended; None before its end."""
        return _end(self._about())

    def _about(self) -> Load | None:
        try:
            data = (self._folder / "load.json").read_bytes()
        except FileNotFoundError:
            return None
        return read_one(data, Load, str(self._folder / "load.json"))

    def _share(self, about: Load, now: float) -> float | None:
        if self._phase != "measure":
            return None
        self._extent = self._extent or extent(about.settings)
        return self._extent.share(self._measured, now - (about.measure_started or now))

    def _take(self, r: Request) -> None:
        self._done += r.ok
        self._failed += not r.ok
        self._measured += r.phase == "measure"
        self._began = r.started if self._began is None else min(self._began, r.started)
        self._phase = r.phase
        self._recent.append(r)


def _end(about: Load | None) -> str | None:
    """Why a load ended. `error` stands there from the start, for the case that the generator is killed."""
    return about.end_reason if about and about.end_reason != "error" else None
