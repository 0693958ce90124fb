"""Samples of what the nodes of a run show of themselves, written to load/samples.jsonl while it goes on."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import psutil
from prometheus_client.parser import text_string_to_metric_families

from armature.address import Address
from armature.bench.host import HostCpu, own_cores
from armature.bench.records import Sample
from armature.recording import LineFile, Losses

ANSWER_S = 2.0
LOOK_FOR_PROCESSES_S = 10.0  # between searches of the process table, which cost more than reading known processes
STARTING_S = 15.0  # in which every sample searches: the load's own processes start just after the sampler
_LEFT_OUT = ("_bucket", "_created")  # of histograms; when a counter began
_OWN_PREFIXES = ("python_", "process_")  # of the interpreter: the processes are looked at from outside, and all of them

Source = Callable[[], Iterable[Sample]]


@dataclass(frozen=True)
class Target:
    """A node with /metrics."""

    node: str
    address: Address

    def samples(self) -> list[Sample]:
        """Its figures now; none while it does not answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.address.url("/metrics"), timeout=ANSWER_S) as answer:
                text = answer.read().decode()
            return list(read_metrics(self.node, time.time(), text))
        except (OSError, ValueError):
            return []


def read_metrics(node: str, now: float, text: str) -> Iterator[Sample]:
    """Prometheus' text as samples, without histograms' buckets. Raises ValueError."""
    for family in text_string_to_metric_families(text):
        for s in family.samples:
            if not s.name.endswith(_LEFT_OUT) and not s.name.startswith(_OWN_PREFIXES) and s.value == s.value:
                yield Sample(now, node, s.name, s.value, s.labels)


class Processes:
    """CPU and memory of each node's processes: those whose TMPDIR is the node's folder below `folder`, and all that they started."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._known: dict[int, tuple[str, psutil.Process]] = {}
        self._seen: set[int] = set()
        self._looked = float("-inf")
        self._began = time.monotonic()
        self._host = HostCpu()

    def samples(self) -> list[Sample]:
        """Of each node: host_cpu_cores (1 is a core that never rests, since the last sample) and host_rss_bytes. Of the host: how
        busy it is besides (armature.bench.host)."""
        now = time.monotonic()
        if now - self._looked > (LOOK_FOR_PROCESSES_S if now - self._began > STARTING_S else 0):
            self._look()
        cpu: dict[str, float] = {}
        rss: dict[str, float] = {}
        for pid, (node, process) in list(self._known.items()):
            try:
                with process.oneshot():
                    cpu[node] = cpu.get(node, 0.0) + process.cpu_percent() / 100
                    rss[node] = rss.get(node, 0.0) + process.memory_info().rss
            except psutil.Error:
                del self._known[pid]
        at = time.time()
        found = [Sample(at, n, "host_cpu_cores", v) for n, v in cpu.items()] + [Sample(at, n, "host_rss_bytes", v) for n, v in rss.items()]
        return found + self._host.samples(own_cores(found))

    def _look(self) -> None:
        self._looked = time.monotonic()
        pids = set(psutil.pids())
        for pid in pids - self._seen:
            try:
                process = psutil.Process(pid)
                if node := node_of(process, self._folder):
                    process.cpu_percent()  # the first call only begins to count
                    self._known[pid] = (node, process)
            except psutil.Error:
                continue
        self._seen = pids


def node_of(process: psutil.Process, folder: str) -> str | None:
    """The node that a process belongs to, by its TMPDIR, which is a folder below `folder`, or by that of who started it.

    A process that gives itself another title, as an engine's do, loses what others can read of its environment.
    """
    try:
        line = (process, *process.parents())
    except psutil.Error:
        return None
    return next((node for each in line if (node := _own_node(each, folder))), None)


def _own_node(process: psutil.Process, folder: str) -> str | None:
    try:
        parent, _, node = process.environ().get("TMPDIR", "").rpartition("/")
    except psutil.Error:
        return None
    return node if parent == folder else None


class Gpus:
    """What NVML tells of each GPU."""

    def __init__(self) -> None:
        """Raises RuntimeError, with the reason, where NVML cannot be asked."""
        try:
            import pynvml
        except ModuleNotFoundError:
            raise RuntimeError("nvidia-ml-py is not installed (pip install 'armature[bench]')") from None
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError as e:
            raise RuntimeError(str(e)) from None

    def samples(self) -> list[Sample]:
        """Of node `host`, by GPU: share of time in use, bytes in use, watts."""
        now, nvml, found = time.time(), self._nvml, []
        for i, handle in enumerate(self._handles):
            for name, read in (
                ("gpu_utilization", lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu / 100),
                ("gpu_memory_used_bytes", lambda h: float(nvml.nvmlDeviceGetMemoryInfo(h).used)),
                ("gpu_power_watts", lambda h: nvml.nvmlDeviceGetPowerUsage(h) / 1000),
            ):
                try:
                    found.append(Sample(now, "host", name, read(handle), {"gpu": str(i)}))
                except nvml.NVMLError:
                    continue  # not every GPU tells everything
        return found


def sample(sources: Sequence[Source], out: LineFile, every_s: float, ended: Callable[[float], bool], losses: Losses) -> None:
    """Ask all sources every `every_s` seconds and append what they say, until `ended(seconds to wait)` says so.

    A look that takes longer than `every_s` lets the next ones fall out: it never hurries after them. Samples that cannot be written
    are lost, and the run that is sampled goes on.
    """
    with ThreadPoolExecutor(max(1, len(sources))) as pool:
        due = time.monotonic()
        while True:
            found = [s for samples in pool.map(lambda source: source(), sources) for s in samples]
            if lines := b"\n".join(msgspec.json.encode(s) for s in found):
                losses.keep("samples", partial(out.add, lines))
            due = max(due + every_s, time.monotonic())
            if ended(due - time.monotonic()):
                return
