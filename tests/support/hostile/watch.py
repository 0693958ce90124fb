"""The processes of a deployment while it is attacked: whether one ends, and what memory each node takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

MIB = 1 << 20
ALLOWED_SHARE, ALLOWED_MIB = 0.02, 16.0
EXPENDABLE = "armature::guides"  # tries guides of clients for a worker, which kills it when one takes too long, and starts another


@dataclass(frozen=True, slots=True)
class Process:
    """One process that must live. name: of its command, for reports."""

    node: str
    name: str
    process: psutil.Process

    def lives(self) -> bool:
        """False for a zombie, too, and when another process has its number by now."""
        try:
            return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def __str__(self) -> str:
        return f"{self.node}: {self.name} (pid {self.process.pid})"


@dataclass(slots=True)
class Watch:
    """nodes: each node's first process. Those that live with it when watching begins must live on.

    memory: by node, (monotonic seconds, MiB) of all its processes. each: the same by process, for those that must live.
    """

    nodes: Mapping[str, int]
    processes: list[Process] = field(default_factory=list)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    each: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node, pid in self.nodes.items():
            root = psutil.Process(pid)
            every = [Process(node, _name(p), p) for p in (root, *root.children(recursive=True))]
            self.processes += [p for p in every if not p.name.startswith(EXPENDABLE)]
            self.memory[node] = []

    def ended(self) -> list[Process]:
        """Those that live no more."""
        return [p for p in self.processes if not p.lives()]

    def sample(self) -> None:
        """Note what each node's processes take now, those that came later too."""
        taken: dict[int, float] = {}  # MiB, by process
        for node, pid in self.nodes.items():
            try:
                root = psutil.Process(pid)
                mine = {p.pid: _proportional(p) / MIB for p in (root, *root.children(recursive=True))}
            except psutil.NoSuchProcess:
                continue  # `ended` says so
            self.memory[node].append((time.monotonic(), sum(mine.values())))
            taken |= mine
        for watched in self.processes:
            if (mib := taken.get(watched.process.pid)) is not None:
                self.each.setdefault(str(watched), []).append((time.monotonic(), mib))


@dataclass(frozen=True, slots=True)
class Growth:
    """How a node's memory moved. second_mib, last_mib: medians of the second and the last quarter. slope: MiB a minute between them."""

    second_mib: float
    last_mib: float
    slope_mib_per_minute: float

    @property
    def flat(self) -> bool:
        """Whether it grew by no more than noise: 2 % of the second quarter's median, and 16 MiB of an allocator's pools."""
        return self.last_mib - self.second_mib <= ALLOWED_SHARE * self.second_mib + ALLOWED_MIB


def started(events: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Each node that runs, by a run's events -> its process."""
    nodes: dict[str, int] = {}
    for event in events:
        if event["event"] == "started":
            nodes[event["node"]] = event["pid"]
        elif event["event"] == "exited":
            nodes.pop(event["node"], None)
    return nodes


def growth(points: Sequence[tuple[float, float]]) -> Growth:
    """Of one node's (seconds, MiB). The first quarter is left out: caches and pools fill then.

    The slope is Theil and Sen's: the median of the slopes between each point of the second quarter and each of the last, which a peak
    does not move. Raises ValueError for fewer than 8 points.
    """
    if len(points) < 8:
        raise ValueError(f"{len(points)} samples of memory are too few to judge by")
    quarter = len(points) // 4
    second, last = points[quarter : 2 * quarter], points[-quarter:]
    slopes = [(b - a) / (u - t) * 60 for t, a in second for u, b in last]
    before, after = (round(statistics.median(v for _, v in part), 1) for part in (second, last))
    return Growth(before, after, round(statistics.median(slopes), 3))


def by_minute(points: Sequence[tuple[float, float]]) -> list[float]:
    """(seconds, MiB) -> the median of each minute: whether memory moved in one step or grows."""
    minutes: dict[int, list[float]] = {}
    for at, mib in points:
        minutes.setdefault(int((at - points[0][0]) // 60), []).append(mib)
    return [round(statistics.median(values), 1) for _, values in sorted(minutes.items())]


def _proportional(process: psutil.Process) -> int:
    """Bytes of a process that no file holds, pages that forks share counted once among them; resident bytes where the kernel does not say.

    Pages of files are left out: another deployment on this host that ends leaves a larger share of its libraries to this one.
    """
    try:
        fields = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in fields if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except PermissionError:
        return int(process.memory_info().rss)


def _name(process: psutil.Process) -> str:
    try:
        program, *words = process.cmdline()[:4] or [process.name()]
        return " ".join((program.rsplit("/", 1)[-1], *words))[:100]  # without the host's folders
    except psutil.Error:
        return "?"
