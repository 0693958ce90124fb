"""A load that runs, as lines: how far it is, and what it finds."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from armature.errors import UserError

if TYPE_CHECKING:
    from armature.bench.live import LoadNow, LoadWatch
    from armature.bench.summary import Distribution

PHASES = {"warmup": "warm-up"}


def load_lines(load: LoadNow) -> list[str]:
    """What matters most in the first line, which 80 columns hold; nothing before the load begins."""
    from armature.bench import trust
    from armature.bench.metrics import number

    def figure(title: str, d: Distribution, quantile: str) -> str:
        return f"{title} {quantile} {trust.marked(number(getattr(d, quantile)), [quantile] if trust.is_few(d, quantile) else [])} ms"

    if load.phase is None:
        return []
    where = PHASES.get(load.phase, load.phase) if load.share is None else f"{math.floor(100 * load.share)}%"
    first, second = [f"load {where}: {load.done:,} done", f"{load.failed:,} failed"], []
    if load.phase.startswith("ended"):
        return [", ".join(first)]  # the last seconds say nothing any more
    if load.requests_per_s:
        first.append(f"{number(load.requests_per_s)} requests/s")
        second.append(f"{number(load.tokens_per_s)} tok/s")
    if load.ttft_ms:
        first.append(figure("TTFT", load.ttft_ms, "p50"))
        second.append(figure("TTFT", load.ttft_ms, "p99"))
    if load.itl_ms:
        second += [figure("ITL", load.itl_ms, "p50"), figure("ITL", load.itl_ms, "p99")]
    few = any(d and trust.is_few(d, "p99") for d in (load.ttft_ms, load.itl_ms))
    note = [f"{trust.MARK} few values: p50 needs {trust.needed('p50')}, p99 {trust.needed('p99')}"] if few else []
    return [", ".join(first), *([", ".join(second)] if second else []), *note]


class RunsLoad:
    """The load of a run that this process supervises. It costs the load's machine as little as it can: no figure for each token."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watch: LoadWatch | None = None

    def __call__(self) -> list[str]:
        """Lines about the load as of now; none before it begins, and where its files cannot be read."""
        if not self._folder.exists():
            return []
        from armature.bench.live import LoadWatch

        self._watch = self._watch or LoadWatch(self._folder)
        try:
            return load_lines(self._watch.look(time.time(), gaps=False))
        except (OSError, UserError):
            return []
