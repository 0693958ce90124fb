"""The load that a run puts on what it serves, as users set it, and as the load generator takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from armature.config.section import Invalid, Section
from armature.roles.apis import Api

User = Literal["completions", "chat", "embeddings", "images", "multimodal"]
API_OF: Mapping[User, Api] = {
    "completions": "completions",
    "chat": "chat",
    "embeddings": "embedding",
    "images": "images",
    "multimodal": "chat",
}
CPU_LAG_MS = 100.0  # there a run shows that all works; its latencies are the client's, too
_LENGTH = re.compile(r"\d+|uniform:\d+:\d+|lognormal:\d+(\.\d+)?:\d+(\.\d+)?(:\d+)?")


def _read_length(value: Any) -> Any:
    text = str(value) if isinstance(value, int) else value
    if isinstance(text, str) and not _LENGTH.fullmatch(text):
        raise Invalid(
            f"got {value!r}", expected="tokens as 128, uniform:64:256 or lognormal:512:0.5[:4000] (mean, deviation of the logarithm, most)"
        )
    return text


Length = Annotated[str, BeforeValidator(_read_length)]


class Ramp(Section):
    """The level begins at `start` and reaches the load's in `seconds`."""

    start: float = Field(ge=0)
    seconds: float = Field(gt=0)


class Prefix(Section):
    """Prefixes that prompts share; `input` is what follows."""

    groups: int = Field(ge=1, description="Number of prefixes.")
    length: int = Field(ge=1, description="Tokens in each prefix.")


class Workload(Section):
    """One class of a mixed load."""

    name: str
    user: User = "completions"
    weight: float = Field(default=1.0, gt=0)
    input: Length = "128"
    output: Length = "32"
    prompt: Literal["ids", "text"] | None = None
    prefix: Prefix | None = None
    turns: int = Field(default=1, ge=1)
    think_s: float = Field(default=0.0, ge=0)


class Warmup(Section):
    """A closed loop before the measurement. It ends at `count` or `time_s`; without both there is none."""

    count: int | None = Field(default=None, gt=0, description="The warm-up ends after this many requests.")
    time_s: float | None = Field(default=None, gt=0, description="The warm-up ends after this many seconds.")
    concurrency: int | None = Field(default=None, gt=0, description="null: as in the load.")


class Known(Section):
    """Ends the load once a mean is known well enough."""

    of: Literal["ttft", "e2e"] = "ttft"
    within: float = Field(default=0.05, gt=0, lt=1)


class Goals(Section):
    """Limits for goodput, in milliseconds; null: none."""

    ttft_ms: float | None = Field(default=None, gt=0)
    itl_ms: float | None = Field(default=None, gt=0)
    tpot_ms: float | None = Field(default=None, gt=0)
    e2e_ms: float | None = Field(default=None, gt=0)


class Tolerance(Section):
    """How far realised lengths may be from asked ones; null: as `armature summarize` has it."""

    relative: float | None = Field(default=None, ge=0)
    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    share: float | None = Field(default=None, ge=0, le=1)


class Limits(Section):
    """Limits of the client. Beyond them the client distorts what it measures, and the run is invalid."""

    lag_p99_ms: float | None = Field(
        default=None,
        gt=0,
        description="p99 of the client's lag in ms; null: 0.5, or 100 on hardware=cpu, where client and engine share cores.",
    )
    cpu: float | None = Field(default=None, gt=0, description="Share of one core that a client process may use; null: 0.8.")


class Load(Section):
    """The load on the server. When the load ends, the run writes a summary and a report, and ends."""

    name: str = Field(default="none", description="none: the run serves until Ctrl-C.")
    shape: Literal["closed", "open", "trace"] | None = Field(default=None, description="null: follows from concurrency, rate or trace.")
    concurrency: int | None = Field(default=None, gt=0, description="Closed loop: number of concurrent requests.")
    rate: float | None = Field(default=None, gt=0, description="Open loop: requests per second.")
    arrivals: Literal["poisson", "constant"] = Field(default="poisson", description="Open loop: distribution of the gaps between requests.")
    ramp: Ramp | None = None
    steps: list[tuple[float, float]] = Field(
        default_factory=list, description="[seconds, level] pairs in order; they replace concurrency or rate."
    )
    trace: str | None = Field(default=None, description="File in Mooncake's trace format to replay.")
    speed: float = Field(default=1.0, gt=0, description="Trace: how much faster than recorded.")
    max_in_flight: int = Field(default=1024, gt=0, description="Open loop, trace: maximum number of concurrent requests.")
    user: User = Field(default="completions", description="The API that requests use.")
    input: Length = Field(default="128", description="Tokens of a prompt: 128, uniform:64:256, lognormal:512:0.5.")
    output: Length = Field(default="32", description="Tokens of an answer, in the same form as input.")
    prompt: Literal["ids", "text"] | None = Field(default=None, description="Token ids or words; null: ids where the API takes them.")
    prefix: Prefix | None = None
    turns: int = Field(default=1, ge=1, description="Requests per conversation (chat).")
    think_s: float = Field(default=0.0, ge=0, description="Seconds between an answer and the next turn.")
    classes: list[Workload] = Field(
        default_factory=list, description="Classes of a mixed load, instead of user, input, output, prefix, turns."
    )
    count: int | None = Field(default=None, gt=0, description="The load ends after this many requests.")
    time_s: float | None = Field(default=None, gt=0, description="The load ends after this many seconds.")
    known: Known | None = None
    drain_s: float = Field(default=60.0, ge=0, description="Seconds that running requests get to finish at the end.")
    warmup: Warmup = Warmup()
    seed: int = Field(default=0, ge=0, description="Seed of prompts and arrival times.")
    ignore_eos: bool = Field(default=True, description="Answers have exactly the requested length.")
    temperature: float = Field(default=0.0, ge=0)
    id_range: tuple[int, int] = Field(
        default=(100, 400), description="First and last token id in prompts; every model has the default ids."
    )
    server: Literal["auto", "usage", "dynamo", "plain"] = Field(
        default="auto",
        description="How the client counts the tokens of each chunk. usage: from the usage in every chunk; dynamo: from token ids; "
        "plain: it counts chunks with text, although a token may have no text of its own. "
        "auto: usage; with topology=external, plain if the server refuses or omits the usage.",
    )
    extra_body: dict[str, Any] = Field(default_factory=dict, description="Additional fields of each request's body.")
    timeout_s: float = Field(default=600.0, gt=0, description="Timeout of a request in seconds.")
    processes: int = Field(default=1, ge=1, description="Processes of the load generator.")
    limits: Limits = Limits()
    slo: Goals = Goals()
    tolerance: Tolerance = Tolerance()
    sample_s: float = Field(default=1.0, ge=0, description="Sample interval of the nodes' metrics in seconds; 0: no samples.")
    keep: bool = Field(default=False, description="true: continue to serve after the report, until Ctrl-C.")

    @field_validator("trace")
    @classmethod
    def _trace_is_there(cls, value: str | None) -> str | None:
        if value is not None and not Path(value).expanduser().is_file():
            raise Invalid(f"there is no file {value!r}")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Load:
        if not self:
            return self
        levels = {"closed": self.concurrency, "open": self.rate, "trace": self.trace}
        for kind, name in (("closed", "concurrency"), ("open", "rate"), ("trace", "trace")):
            if levels[kind] is not None and kind != self.kind:
                raise Invalid(
                    f"only shape={kind} uses this field, and the load's shape is {self.kind}",
                    field=name,
                    fix=f"add load.shape={kind}, or load.{name}=null",
                )
        if self.steps and (self.ramp or levels[self.kind] is not None):
            raise Invalid(
                "steps replace concurrency, rate and ramp", field="steps", fix="add load.concurrency=null load.rate=null load.ramp=null"
            )
        if not self.steps and levels[self.kind] is None:
            level = {"closed": "load.concurrency=8", "open": "load.rate=4", "trace": "load.trace=FILE"}[self.kind]
            raise Invalid(f"a load of shape {self.kind} needs a level", field="shape", fix=f"add {level}, or load.steps=[[20,1],[20,4]]")
        if self.kind != "trace" and not (self.count or self.time_s or self.known):
            raise Invalid("this load never ends", field="count", fix="add load.count=200, or load.time_s=60")
        if self.id_range[0] >= self.id_range[1]:
            raise Invalid(f"got {list(self.id_range)}", field="id_range", expected="two token ids, the lower first")
        for c in self._classes():
            chats = c["user"] in ("chat", "multimodal")
            if c["turns"] > 1 and not chats:
                raise Invalid(f"{c['user']} has no conversations", field="turns", fix="add load.user=chat, or load.turns=1")
            if c["prompt"] == "ids" and c["user"] not in ("completions", "embeddings"):
                raise Invalid(f"{c['user']} takes no token ids", field="prompt", fix="add load.prompt=text")
        return self

    @property
    def apis(self) -> Mapping[Api, User]:
        """What it asks for, and the user that asks for it."""
        users = [c["user"] for c in self._classes()] if self else []
        return {API_OF[user]: user for user in users}

    def __bool__(self) -> bool:
        """Whether there is any load."""
        return self.name != "none"

    @property
    def kind(self) -> Literal["closed", "open", "trace"]:
        """The shape: as it was named, or as its level says."""
        return self.shape or ("trace" if self.trace else "open" if self.rate is not None else "closed")

    def settings(self, model: str | None, on_cpu: bool, ours: bool = True) -> dict[str, Any]:
        """The load generator's settings (loadtests' `--load-settings`), without those that are its defaults by being null.

        model: the name to ask for; None: the server's first. on_cpu: the client shares its cores with the engine. ours: the
        server is this project's frontend, which sends the usage in every chunk.
        """
        shape: dict[str, Any] = {"kind": self.kind, "max_in_flight": self.max_in_flight}
        shape |= _given(concurrency=self.concurrency, rate=self.rate, ramp=self.ramp and self.ramp.model_dump())
        if self.steps:
            shape["steps"] = [list(step) for step in self.steps]
        if self.kind == "open":
            shape["arrivals"] = self.arrivals
        if self.trace:
            shape |= {"trace": str(Path(self.trace).expanduser().absolute()), "speed": self.speed}
        known = self.known and self.known.model_dump()
        end = _given(count=self.count, time_s=self.time_s, known=known) | {"drain_s": self.drain_s}
        lag = self.limits.lag_p99_ms or (CPU_LAG_MS if on_cpu else None)
        return _given(model=model) | {
            "seed": self.seed,
            "server": "usage" if ours and self.server == "auto" else self.server,
            "ignore_eos": self.ignore_eos,
            "temperature": self.temperature,
            "id_range": list(self.id_range),
            "extra_body": self.extra_body,
            "timeout_s": self.timeout_s,
            "shape": shape,
            "warmup": self.warmup.model_dump(exclude_none=True),
            "end": end,
            "classes": self._classes(),
            "limits": _given(lag_p99_ms=lag, cpu=self.limits.cpu),
        }

    def _classes(self) -> list[dict[str, Any]]:
        if self.classes:
            return [c.model_dump() for c in self.classes]
        names = ("user", "input", "output", "prompt", "turns", "think_s")
        return [{name: getattr(self, name) for name in names} | {"prefix": self.prefix and self.prefix.model_dump()}]


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
