"""Is a request within what the engine can take? Checked here once, for every role, before the engine sees the request.

SGLang's scheduler makes tensors, tensor indices and sizes of a client's numbers. One that does not fit ends the scheduler, and
with it every request in flight; so nothing reaches it that was not compared with a limit here. Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from armature.engine.types import EngineInfo
from armature.limits import DEFAULT_LIMITS, RequestLimits
from armature.messages.pooling import PoolingRequest
from armature.messages.tokens import GenerateRequest, Guide, Sampling
from armature.runtime.wire import Unsupported
from armature.worker import nesting

INT32, INT64 = 2**31 - 1, 2**63 - 1
TOP_K_MAX = 2**30  # SGLang's value for the whole vocabulary
RANKS_MAX = 2**15 - 1  # of another engine, whose number of ranks is not known here
_ROUNDING = 1e-6  # 0.9 arrives from the frontend as a 32-bit number

# The client's name of each kind of guide.
GUIDE_FIELDS: Mapping[str, str] = {
    "json_schema": "guided_json (or response_format, tools)",
    "regex": "guided_regex",
    "ebnf": "guided_grammar",
    "structural_tag": "structural_tag",
    "choice": "guided_choice",
}


@dataclass(frozen=True, slots=True)
class Range:
    """The values that a number may have: from `low` to `high`, and those in `also`."""

    low: float
    high: float
    also: tuple[float, ...] = ()

    def __contains__(self, value: float) -> bool:
        # An integer is compared as it is: a float cannot tell 2**63 from 2**63 - 1. NaN is in no range.
        slack = abs(self.low) * _ROUNDING if isinstance(value, float) else 0
        return self.low - slack <= value <= self.high or value in self.also

    def __str__(self) -> str:
        more = "".join(f", or {value:g}" for value in self.also)
        return f"from {_figure(self.low)} to {_figure(self.high)}{more}"


@dataclass(frozen=True)
class Bounds:
    """What an engine can take of one request: by its own figures (`info`) and by what the user allows (`limits`).

    first_token_only: another engine makes the rest, and the frontend has put 1 in place of the client's max_tokens.
    """

    info: EngineInfo
    limits: RequestLimits = DEFAULT_LIMITS
    first_token_only: bool = False

    @cached_property
    def sampling(self) -> Mapping[str, Range]:
        """Of every number of a Sampling that can be checked by itself: field -> range."""
        return {
            "max_tokens": Range(0, INT32),
            "min_tokens": Range(0, INT32),
            "temperature": Range(0, 2),
            "top_p": Range(1e-6, 1),
            "top_k": Range(1, TOP_K_MAX, also=(-1,)),
            "min_p": Range(0, 1),
            "frequency_penalty": Range(-2, 2),
            "presence_penalty": Range(-2, 2),
            "repetition_penalty": Range(1e-3, 2),  # logits are divided by it: much less makes them infinite
            "seed": Range(-INT64 - 1, INT64),
            "n": Range(1, self.limits.outputs),
        }

    @cached_property
    def request(self) -> Mapping[str, Range]:
        """The same for the other numbers of a GenerateRequest that a client can set."""
        return {
            "logprobs": Range(0, min(self.limits.top_logprobs, self.info.vocab_size)),
            "dp_rank": Range(0, self.info.dp_size - 1),
            "prefill_dp_rank": Range(0, RANKS_MAX),
            "priority": Range(-INT32 - 1, INT32),
        }

    @cached_property
    def bootstrap(self) -> Mapping[str, Range]:
        """The same for the numbers of a Bootstrap."""
        return {"port": Range(0, 2**16 - 1), "room": Range(0, INT64)}


def check(request: GenerateRequest, bounds: Bounds) -> GenerateRequest:
    """`request`, if the engine can take it. Raises Unsupported with the field's name and the limit otherwise."""
    sampling = request.sampling
    _check_ranges(sampling, bounds.sampling)
    _check_ranges(request, bounds.request)
    if sampling.seed is not None and sampling.seed + sampling.n - 1 > INT64:  # each output has the seed after the one before
        raise Unsupported(f"seed ({sampling.seed}) is too large for {sampling.n} outputs; expected at most {INT64 - sampling.n + 1}")
    _check_token_ids("the prompt", request.token_ids, bounds.info.vocab_size)
    _check_stop_token_ids(sampling.stop_token_ids, bounds)
    _check_lengths(len(request.token_ids), sampling, bounds)
    _check_stops(sampling.stop, bounds.limits)
    if sampling.guide is not None:
        check_guide(sampling.guide, bounds.limits)
        if sampling.ignore_eos:  # SGLang would go on behind the guide's end, where nothing is constrained any more
            raise Unsupported(f"ignore_eos cannot be used with {GUIDE_FIELDS[sampling.guide.kind]}: the output ends with the guide")
    if request.bootstrap is not None:
        _check_ranges(request.bootstrap, bounds.bootstrap, "bootstrap_")
    return request


def _check_ranges(values: object, ranges: Mapping[str, Range], prefix: str = "") -> None:
    for field, allowed in ranges.items():
        value = getattr(values, field)
        if value is not None and value not in allowed:
            raise Unsupported(f"{prefix}{field} is {_figure(value)}; expected {allowed}")


def check_embedding(request: PoolingRequest, bounds: Bounds) -> PoolingRequest:
    """`request`, if the engine can take it. Raises Unsupported with the field's name and the limit otherwise."""
    info, most = bounds.info, bounds.limits.inputs
    if len(request.inputs) > most:
        raise Unsupported(f"input has {len(request.inputs)} texts; at most {most} are allowed")
    if request.dimensions is not None and request.dimensions not in (allowed := Range(1, info.width)):
        raise Unsupported(f"dimensions is {_figure(request.dimensions)}; expected {allowed}")
    for number, ids in enumerate(request.inputs):
        if len(ids) > info.context_length and not info.truncates:
            raise Unsupported(f"input {number} has {len(ids)} tokens; this model's context length is {info.context_length} tokens")
        _check_token_ids(f"input {number}", ids, info.vocab_size)
    return request


def check_prompt(length: int, bounds: Bounds) -> None:
    """Raise Unsupported for a prompt of `length` tokens that leaves no room for output in the context."""
    info = bounds.info
    if length >= info.context_length and not info.truncates:
        raise Unsupported(f"the prompt has {length} tokens; this model's context length is {info.context_length} tokens")


def check_guide(guide: Guide, limits: RequestLimits) -> None:
    """Raise Unsupported for a guide that is empty, too large, too deep or has too many choices, whatever it says."""
    field = GUIDE_FIELDS[guide.kind]
    if not guide.text and not guide.choices:  # SGLang would drop it, and the output would follow nothing
        raise Unsupported(f"{field} is empty")
    if len(guide.choices) > limits.guide_choices:
        raise Unsupported(f"{field} has {len(guide.choices)} choices; at most {limits.guide_choices} are allowed")
    size = _utf8(field, guide.text) + sum(_utf8(field, choice) for choice in guide.choices)
    if size > limits.guide_bytes:
        raise Unsupported(f"{field} has {size} bytes; at most {limits.guide_bytes} are allowed")
    try:
        depth = _depth(guide)
    except ValueError as e:
        raise Unsupported(f"{field} is not a JSON document: {e}") from None
    if depth > limits.guide_nesting:
        raise Unsupported(f"{field} nests {depth} levels deep; at most {limits.guide_nesting} are allowed")


def _depth(guide: Guide) -> int:
    if guide.kind in ("json_schema", "structural_tag"):
        return nesting.of_json(guide.text)
    return nesting.of_ebnf(guide.text) if guide.kind == "ebnf" else nesting.of_regex(guide.text)


def _check_token_ids(field: str, ids: list[int] | tuple[int, ...], vocab_size: int) -> None:
    if ids and (min(ids) < 0 or max(ids) >= vocab_size):
        wrong = next(i for i in ids if not 0 <= i < vocab_size)
        raise Unsupported(f"{field} has the token id {_figure(wrong)}; this model's are from 0 to {vocab_size - 1}")


def _check_stop_token_ids(ids: tuple[int, ...], bounds: Bounds) -> None:
    if len(ids) > bounds.limits.stop_token_ids:
        raise Unsupported(f"stop_token_ids has {len(ids)} ids; at most {bounds.limits.stop_token_ids} are allowed")
    _check_token_ids("stop_token_ids", ids, bounds.info.vocab_size)


def _check_lengths(prompt: int, sampling: Sampling, bounds: Bounds) -> None:
    """Prompt and output must fit into the context, unless the engine cuts what does not fit."""
    info = bounds.info
    most, least = sampling.max_tokens, 0 if bounds.first_token_only else sampling.min_tokens or 0
    if most is not None and least > most:
        raise Unsupported(f"min_tokens ({least}) is more than max_tokens ({most})")
    if info.truncates:
        return
    check_prompt(prompt, bounds)
    for field, output in (("max_tokens", most or 0), ("min_tokens", least)):
        if prompt + output > info.context_length:
            raise Unsupported(
                f"a prompt of {prompt} tokens and {field}={output} exceed this model's context length of {info.context_length} tokens"
            )


def _check_stops(stops: tuple[str, ...], limits: RequestLimits) -> None:
    if len(stops) > limits.stop_strings:
        raise Unsupported(f"stop has {len(stops)} strings; at most {limits.stop_strings} are allowed")
    for text in stops:
        if not text:
            raise Unsupported("stop has an empty string, which would end every output before it begins")
        if (size := _utf8("stop", text)) > limits.stop_bytes:
            raise Unsupported(f"stop has a string of {size} bytes; at most {limits.stop_bytes} are allowed")


def _utf8(field: str, text: str) -> int:
    """Size in bytes. Raises Unsupported for a lone surrogate, which no tokenizer and no grammar takes."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise Unsupported(f"{field} has a character that is not valid Unicode") from None


def _figure(value: float) -> str:
    """A number for a message: as it is, but not thousands of digits of it."""
    if not isinstance(value, int):
        return f"{value:g}"
    return str(value) if -INT64 - 1 <= value <= INT64 else "an integer of more than 64 bits"
