"""The command line's options, each a setting's name: they change what the settings file says, or the defaults."""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from armature_load.reading import SettingsError
from armature_load.settings import Settings, from_data, load_file

FILE = "--load-settings"


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _steps(text: str) -> list[list[float]]:
    return [_numbers(part, 2) for part in text.split(",")]


def _numbers(text: str, count: int) -> list[float]:
    numbers = [float(x) for x in text.split(":")]
    if len(numbers) != count:
        raise ValueError(text)
    return numbers


def _ramp(text: str) -> dict[str, float]:
    start, seconds = _numbers(text, 2)
    return {"start": start, "seconds": seconds}


def _known(text: str) -> dict[str, Any]:
    of, within = text.split(":")
    return {"of": of, "within": float(within)}


def _range(text: str) -> list[int]:
    return [int(x) for x in text.split(":")]


def _object(text: str) -> Any:
    return json.loads(text)


@dataclass(frozen=True)
class Option:
    """`flag` sets the setting `field`; `expected` says what `make` takes."""

    flag: str
    field: str
    make: Callable[[str], Any]
    expected: str
    help: str

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")


_CLASS = "classes[0]."
OPTIONS = (
    Option("--model", "model", str, "NAME", "model name; default: the server's first model"),
    Option("--server", "server", str, "auto|usage|dynamo|plain", "how the server reports tokens per chunk; auto: usage, else plain"),
    Option("--load-user", _CLASS + "user", str, "chat|completions|embeddings|images|multimodal", "API to call; default completions"),
    Option(
        "--input", _CLASS + "input", str, "LENGTH", "prompt length in tokens: N, uniform:LOW:HIGH, lognormal:MEAN:SIGMA[:MAX]; default 128"
    ),
    Option("--output", _CLASS + "output", str, "LENGTH", "output length, like --input; default 32"),
    Option("--prompt-kind", _CLASS + "prompt", str, "ids|text", "send prompts as token ids (completions, embeddings) or as text"),
    Option("--id-range", "id_range", _range, "FIRST:LAST", "range of token ids in prompts; default 100:400"),
    Option("--prefix-groups", _CLASS + "prefix.groups", int, "N", "number of shared prefixes"),
    Option("--prefix-length", _CLASS + "prefix.length", int, "N", "tokens per shared prefix; --input comes after it"),
    Option("--turns", _CLASS + "turns", int, "N", "requests per conversation (chat); default 1"),
    Option("--think-s", _CLASS + "think_s", float, "SECONDS", "pause between an answer and the next turn; default 0"),
    Option("--images", _CLASS + "images", int, "N", "images per multimodal request, or to generate; default 1"),
    Option("--image-size", _CLASS + "image_size", str, "WIDTHxHEIGHT", "image size in pixels; default 64x64"),
    Option("--shape", "shape.kind", str, "closed|open|trace", "kind of load; default: from the options below"),
    Option("--concurrency", "shape.concurrency", int, "N", "closed loop: requests in flight; default 1"),
    Option("--rate", "shape.rate", float, "N", "open loop: requests per second"),
    Option("--arrivals", "shape.arrivals", str, "poisson|constant", "open loop: arrival process; default poisson"),
    Option("--ramp", "shape.ramp", _ramp, "START:SECONDS", "ramp from START to --concurrency or --rate in SECONDS"),
    Option("--steps", "shape.steps", _steps, "SECONDS:LEVEL,...", "levels in sequence, instead of --concurrency or --rate"),
    Option("--trace", "shape.trace", str, "FILE", "replay a trace (JSON lines: timestamp, input_length, output_length, hash_ids)"),
    Option("--speed", "shape.speed", float, "N", "trace: replay speed, 2 is twice as fast; default 1"),
    Option("--max-in-flight", "shape.max_in_flight", int, "N", "open loop, trace: limit of requests in flight; default 1024"),
    Option("--count", "end.count", int, "N", "end after this many requests"),
    Option("--time-s", "end.time_s", float, "SECONDS", "end after this time"),
    Option("--known", "end.known", _known, "ttft|e2e:FRACTION", "end when this mean's 95%% confidence interval is within this fraction"),
    Option("--drain-s", "end.drain_s", float, "SECONDS", "time for running requests to finish; default 60"),
    Option("--warmup-count", "warmup.count", int, "N", "warm up with this many requests"),
    Option("--warmup-s", "warmup.time_s", float, "SECONDS", "warm up for this time"),
    Option("--warmup-concurrency", "warmup.concurrency", int, "N", "requests in flight during the warm-up; default: as the load"),
    Option("--ignore-eos", "ignore_eos", _switch, "true|false", "answers have exactly the requested length"),
    Option("--stream", "stream", _switch, "true|false", "stream the answers; default true"),
    Option("--seed", "seed", int, "N", "seed of prompts and arrival times; default 0"),
    Option("--timeout-s", "timeout_s", float, "SECONDS", "time limit of one request; default 600"),
    Option("--headers", "headers", _object, "JSON", 'additional headers, such as {"Authorization": "Bearer ..."}'),
    Option("--extra-body", "extra_body", _object, "JSON", "additional fields of each request's body"),
    Option("--insecure", "insecure", _switch, "true|false", "https: accept any certificate"),
    Option("--lag-limit-ms", "limits.lag_p99_ms", float, "MS", "the run is invalid above this client lag (p99); default 0.5"),
    Option("--cpu-limit", "limits.cpu", float, "FRACTION", "the run is invalid if a client process uses more of a core; default 0.8"),
    Option("--record-dir", "record_dir", str, "DIR", "folder for the records; default: write none"),
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add them to Locust's."""
    group = parser.add_argument_group("load", "which requests to send, and when (docs/how-to/load.md)")
    group.add_argument(FILE, metavar="FILE", help="all settings as JSON, in a file or inline; the options below override them")
    for o in OPTIONS:
        # All are texts here: the web page hands texts over too, and one place makes values of them.
        group.add_argument(o.flag, metavar=o.expected, help=o.help)


def resolve(parsed: object) -> Settings:
    """Settings from the file that `parsed` (argparse's) names and from the options given. Raises SettingsError, naming the option."""
    file = getattr(parsed, "load_settings", None)
    data = copy.deepcopy(load_file(file)) if file else {}
    if not isinstance(data, dict):
        raise SettingsError("", f"the settings file {file} is not a JSON object")
    given = [(o, text) for o in OPTIONS if (text := getattr(parsed, o.name, None))]
    for option, text in given:
        try:
            value = option.make(text)
        except ValueError:
            raise SettingsError(option.flag, f"expected {option.expected}, got {text!r}") from None
        _set(data, option, value)
    _infer_kind(data, {o.flag for o, _ in given})
    try:
        return from_data(data)
    except SettingsError as e:
        options = [o for o, _ in given] + ([] if file else list(OPTIONS))
        flag = next((o.flag for o in options if e.field == o.field or e.field.startswith((o.field + ".", o.field + "["))), None)
        if flag:
            raise SettingsError(flag, e.what) from None
        named = file and not file.lstrip().startswith("{")
        raise SettingsError(f"{file}: {e.field}" if named and e.field else e.field, e.what) from None


def _set(data: dict[str, Any], option: Option, value: object) -> None:
    field, at = option.field, data
    if field.startswith(_CLASS):
        classes = data.setdefault("classes", [{}])
        if not isinstance(classes, list) or len(classes) != 1 or not isinstance(classes[0], dict):
            raise SettingsError(option.flag, "the settings file has several classes: set this option in the file")
        at, field = classes[0], field.removeprefix(_CLASS)
    *outer, last = field.split(".")
    for name in outer:
        if at.get(name) is None:
            at[name] = {}
        at = at[name]
        if not isinstance(at, dict):
            raise SettingsError(option.flag, f"the settings file has no object at {name}")
    at[last] = value


def _infer_kind(data: dict[str, Any], flags: set[str]) -> None:
    """--rate means an open loop and --trace a replay; a level of another kind in the file gives way."""
    kinds = {"--rate": "open", "--trace": "trace", "--concurrency": "closed"}
    chosen = [f for f in kinds if f in flags]
    if len(chosen) > 1:
        raise SettingsError(" and ".join(chosen), "use only one of them")
    if chosen:
        shape = data["shape"]
        if "--shape" not in flags:
            shape["kind"] = kinds[chosen[0]]
        for other in {"concurrency", "rate", "trace", "steps"} - {chosen[0].removeprefix("--")}:
            if f"--{other}" not in flags:
                shape.pop(other, None)
