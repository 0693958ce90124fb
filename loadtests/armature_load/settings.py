"""What a load is: the types of the settings, their defaults, and what makes no sense together.

The same names stand in a settings file (`--load-settings`), in `load.json`, and behind the command line's options.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from armature_load import lengths
from armature_load.reading import SettingsError, read

User = Literal["chat", "completions", "embeddings", "images", "multimodal"]
GENERATING = ("chat", "completions", "multimodal")
CHATTING = ("chat", "multimodal")
ID_USERS = ("completions", "embeddings")  # whose prompts may be token ids
# How the server tells how many tokens a chunk holds. usage: by the usage in every chunk. dynamo: by token ids beside the text.
# plain: it does not; a chunk with text counts, and tokens without text of their own are not seen. auto: usage where it can.
Counting = Literal["auto", "usage", "dynamo", "plain"]
_IMAGE_SIZE = re.compile(r"[1-9]\d{0,3}x[1-9]\d{0,3}")


@dataclass(frozen=True)
class Ramp:
    """The level begins at `start` and reaches the shape's in `seconds`."""

    start: float
    seconds: float


@dataclass(frozen=True)
class Shape:
    """closed: `concurrency` requests at any time. open: `rate` requests per second, whatever the server does. trace: as recorded.

    steps: (seconds, level) in place of `concurrency` or `rate`. max_in_flight: connections that an open loop or a trace may
    have in all; what is due beyond them waits, its latency counted from when it was due.
    """

    kind: Literal["closed", "open", "trace"] = "closed"
    concurrency: int | None = None
    rate: float | None = None
    arrivals: Literal["poisson", "constant"] = "poisson"
    ramp: Ramp | None = None
    steps: tuple[tuple[float, float], ...] = ()
    trace: str | None = None
    speed: float = 1.0
    max_in_flight: int = 1024


@dataclass(frozen=True)
class Prefix:
    """Each prompt begins with one of `groups` prefixes of `length` tokens; the class's `input` is what follows."""

    groups: int
    length: int


@dataclass(frozen=True)
class Workload:
    """One class of requests.

    weight: its share of the shape that the classes share. shape: one of its own instead; count: the requests of that.
    input, output: lengths in tokens. prompt: token ids, or words (about one token each); None: ids where the API takes them.
    turns: requests of a conversation, `think_s` seconds apart. images: of `image_size` pixels, per multimodal request or to make.
    """

    name: str | None = None
    user: User = "completions"
    weight: float = 1.0
    shape: Shape | None = None
    count: int | None = None
    input: str = "128"
    output: str = "32"
    prompt: Literal["ids", "text"] | None = None
    prefix: Prefix | None = None
    turns: int = 1
    think_s: float = 0.0
    images: int = 1
    image_size: str = "64x64"

    @property
    def title(self) -> str:
        return self.name or self.user

    @property
    def kind(self) -> Literal["ids", "text"]:
        return self.prompt or ("ids" if self.user in ID_USERS else "text")


@dataclass(frozen=True)
class Warmup:
    """A closed loop before the measuring, until `count` requests or `time_s` seconds; both None: none."""

    count: int | None = None
    time_s: float | None = None
    concurrency: int | None = None


@dataclass(frozen=True)
class Known:
    """The run ends when the mean of `of` is known: its 95% confidence interval is at most `within` of the mean to either side."""

    of: Literal["ttft", "e2e"] = "ttft"
    within: float = 0.05


@dataclass(frozen=True)
class End:
    """Whichever comes first. drain_s: what running requests get to finish. errors: failed connections in a row; 0: any number."""

    count: int | None = None
    time_s: float | None = None
    known: Known | None = None
    drain_s: float = 60.0
    errors: int = 100


@dataclass(frozen=True)
class Limits:
    """Beyond these the client itself is part of what it measures, and the run is invalid. See docs/how-to/load.md for why these."""

    lag_p99_ms: float = 0.5
    cpu: float = 0.8


@dataclass(frozen=True)
class Settings:
    """One load.

    model: None asks the server for its first. server: how it tells the tokens of each chunk (see `Counting`).
    id_range: token ids of prompts, first and last. seed: of prompts and arrivals.
    """

    model: str | None = None
    seed: int = 0
    server: Counting = "auto"
    stream: bool = True
    ignore_eos: bool = False
    temperature: float = 0.0
    id_range: tuple[int, int] = (100, 400)
    extra_body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    insecure: bool = False
    timeout_s: float = 600.0
    connect_timeout_s: float = 10.0
    shape: Shape = Shape()
    warmup: Warmup = Warmup()
    end: End = End()
    classes: tuple[Workload, ...] = (Workload(),)
    limits: Limits = Limits()
    record_dir: str | None = None

    def shown(self) -> dict[str, Any]:
        """All of it as JSON; what headers say is hidden."""
        return json.loads(json.dumps(asdict(replace(self, headers=dict.fromkeys(self.headers, "***")))))  # type: ignore[no-any-return]


def from_data(data: object) -> Settings:
    """Settings, checked. Raises SettingsError."""
    settings = read(Settings, data)
    check(settings)
    return settings


def load_file(path: str) -> Any:
    """The JSON of a settings file, or `path` itself where it is an object already. Raises SettingsError."""
    if path.lstrip().startswith("{"):
        try:
            return json.loads(path)
        except ValueError as e:
            raise SettingsError("", f"the settings are not JSON: {e}") from None
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as e:
        raise SettingsError("", f"the settings file {path} cannot be read: {e.strerror}") from None
    except ValueError as e:
        raise SettingsError("", f"the settings file {path} is not JSON: {e}") from None


def check(settings: Settings) -> None:
    """Raises SettingsError for what cannot be had together."""
    _positive("timeout_s", settings.timeout_s)
    _positive("connect_timeout_s", settings.connect_timeout_s)
    low, high = settings.id_range
    if not 0 <= low < high:
        raise SettingsError("id_range", f"expected two token ids, the lower first, got {low}:{high}")
    _check_end(settings)
    if not settings.classes:
        raise SettingsError("classes", "expected at least one class of requests")
    titles = [c.title for c in settings.classes]
    for i, workload in enumerate(settings.classes):
        at = f"classes[{i}]"
        if titles.count(workload.title) > 1:
            raise SettingsError(f"{at}.name", f"two classes are called {workload.title}")
        _check_class(workload, settings, at)
    shared = [c for c in settings.classes if c.shape is None]
    if shared:
        check_shape(settings.shape, "shape")
        if settings.shape.kind == "trace" and len(shared) > 1:
            raise SettingsError("classes", "only one class can replay a trace: give each other class its own shape")
    elif settings.end.count is not None:
        raise SettingsError("end.count", "every class has its own shape: set `count` in each class")


def _positive(at: str, value: float | None) -> None:
    if value is not None and not value > 0:
        raise SettingsError(at, f"expected more than 0, got {value:g}")


def _check_end(settings: Settings) -> None:
    end, warmup = settings.end, settings.warmup
    _positive("end.count", end.count)
    _positive("end.time_s", end.time_s)
    _positive("warmup.concurrency", warmup.concurrency)
    _positive("warmup.count", warmup.count)
    _positive("warmup.time_s", warmup.time_s)
    _positive("limits.lag_p99_ms", settings.limits.lag_p99_ms)
    _positive("limits.cpu", settings.limits.cpu)
    if end.drain_s < 0 or end.errors < 0:
        raise SettingsError("end.drain_s" if end.drain_s < 0 else "end.errors", "expected at least 0")
    if end.known is not None:
        if not 0 < end.known.within < 1:
            raise SettingsError("end.known.within", f"expected a fraction between 0 and 1, got {end.known.within:g}")
        if end.known.of == "ttft" and not (settings.stream and any(c.user in GENERATING for c in settings.classes)):
            raise SettingsError("end.known.of", "no class of this load streams, so there is no TTFT: use e2e")


def check_shape(shape: Shape, at: str) -> None:
    """Raises SettingsError unless `shape` is one."""
    levels = {"closed": ("concurrency", shape.concurrency), "open": ("rate", shape.rate), "trace": ("trace", shape.trace)}
    for kind, (name, value) in levels.items():
        if kind != shape.kind and value is not None:
            raise SettingsError(f"{at}.{name}", f"is for a shape of kind {kind}; this shape is {shape.kind}")
    if shape.kind == "open" and shape.rate is None and not shape.steps:
        raise SettingsError(f"{at}.rate", "an open loop needs a rate, in requests per second")
    if shape.kind == "trace" and not shape.trace:
        raise SettingsError(f"{at}.trace", "a trace replay needs the trace's file")
    if shape.kind == "trace" and (shape.ramp or shape.steps):
        raise SettingsError(f"{at}.{'ramp' if shape.ramp else 'steps'}", "a trace has its own arrival times")
    if shape.steps and (shape.ramp or shape.concurrency is not None or shape.rate is not None):
        raise SettingsError(f"{at}.steps", "steps replace concurrency, rate and ramp")
    for name in ("concurrency", "rate", "speed", "max_in_flight"):
        _positive(f"{at}.{name}", getattr(shape, name))
    if shape.ramp and not (shape.ramp.seconds > 0 and shape.ramp.start >= 0):
        raise SettingsError(f"{at}.ramp", "expected a start of at least 0 and seconds above 0")
    for i, (seconds, level) in enumerate(shape.steps):
        if not (seconds > 0 and level >= 0) or (shape.kind == "closed" and level != int(level)):
            raise SettingsError(f"{at}.steps[{i}]", f"expected seconds above 0 and a level, got {seconds:g}:{level:g}")
    if shape.steps and not any(level for _, level in shape.steps):
        raise SettingsError(f"{at}.steps", "the level of every step is 0")


def _check_class(c: Workload, settings: Settings, at: str) -> None:
    for name in ("input", "output"):
        try:
            lengths.parse(getattr(c, name))
        except ValueError as e:
            raise SettingsError(f"{at}.{name}", str(e)) from None
    if c.shape is not None:
        check_shape(c.shape, f"{at}.shape")
    elif c.count is not None:
        raise SettingsError(f"{at}.count", "is for a class with its own shape; use end.count")
    for name in ("weight", "turns", "images", "count"):
        _positive(f"{at}.{name}", getattr(c, name))
    if c.prompt == "ids" and c.user not in ID_USERS:
        raise SettingsError(f"{at}.prompt", f"{c.user} takes no token ids: use text")
    if c.prefix and (c.prefix.groups < 1 or c.prefix.length < 1):
        raise SettingsError(f"{at}.prefix", "expected at least 1 group and 1 token")
    if c.turns > 1 and c.user not in CHATTING:
        raise SettingsError(f"{at}.turns", f"{c.user} has no conversations: use chat")
    if c.think_s < 0:
        raise SettingsError(f"{at}.think_s", "expected at least 0")
    if not _IMAGE_SIZE.fullmatch(c.image_size):
        raise SettingsError(f"{at}.image_size", f"expected WIDTHxHEIGHT in pixels, got {c.image_size!r}")
    if (c.shape or settings.shape).kind == "trace" and (c.turns > 1 or c.prefix or c.user not in ("chat", "completions")):
        raise SettingsError(f"{at}.user", "a trace has its own prompts: use one class of chat or completions, without prefix and turns")
