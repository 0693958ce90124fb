"""The shapes of the runtime's dicts, which no other module knows. Pure functions.

A request that the frontend has tokenized arrives as a nested dict, in which most keys are there and null; `read_request`
makes one typed value of it. A response chunk leaves as a dict, which `token_chunk` makes.

Facts of runtime 1.6.1 that shape this module (each is a contract test):

- Numbers such as top_p come widened from 32 bits: 0.9 arrives as 0.8999999761581421.
- `logprobs: true` of a chat arrives as 1, the same as `top_logprobs: 1`; a completion's `logprobs: 0` arrives as 0.
- The model's own end tokens are in `eos_token_ids` and once more in `stop_token_ids_hidden`. With `ignore_eos` both are empty.
- `echo` of a completion arrives as `prompt_logprobs: 1`. The frontend shows what it is sent: the prompt must come as output. A
  log probability of NaN is shown as null; a chunk with a `text` is shown as it is, and nothing in it ends the output.
- What a chunk has as `worker_trace_link` (two strings) comes back as `migration_link` with the next attempt of its request, to prefill
  and decode alike. The runtime means spans of a trace; it keeps any text, and nothing here makes spans. See `Note`.
- Some fields that the frontend does not know arrive in `extra_args.sampling_options`, for engines that do.
- The frontend itself refuses other unknown fields, and drops `logit_bias` and `suffix` without a word: a worker never sees them.

docs/reference/requests.md says of every field what becomes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from armature.messages.tokens import Bootstrap, GenerateRequest, Guide, GuideKind, Sampling
from armature.runtime.shape import SHAPE, Malformed, check_shape


class Unsupported(ValueError):
    """The request asks for something that no worker of ours does: the client's mistake, with the reason for the client."""


@dataclass(frozen=True, slots=True)
class Note:
    """What an attempt of a request leaves for the next one, should its worker die.

    prompt_tokens: the length of the client's prompt. cached_tokens: how much of it the first attempt found in the prefix cache.
    """

    prompt_tokens: int
    cached_tokens: int


# What is refused when it is set, by section: field -> what the client is told. "" is the request itself.
REFUSED: Mapping[str, Mapping[str, str]] = {
    "": {
        "multi_modal_data": "this model takes text only",
        "mm_processor_kwargs": "mm_processor_kwargs is not supported: this model takes text only",
        "media_io_kwargs": "media_io_kwargs is not supported: this model takes text only",
        "prompt_embeds": "prompts as embeddings are not supported",
    },
    "sampling_options": {
        "use_beam_search": "beam search is not supported",
        "length_penalty": "length_penalty belongs to beam search, which is not supported",
        "include_stop_str_in_output": "include_stop_str_in_output is not supported: a stop string is always cut off",
    },
    "stop_conditions": {
        "max_thinking_tokens": "max_thinking_tokens is not supported",
    },
    "output_options": {},
    "routing": {
        "cache_salt": "cache_salt is not supported: all prompts share one prefix cache",
    },
}
# What is read here, or is the frontend's own affair, by section. Anything else that is set is refused by its name.
_NUMBERS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "seed",
)  # of `Sampling`, under the same names
_STOP_IDS = ("stop_token_ids", "stop_token_ids_visible", "stop_token_ids_hidden")
_FRONTENDS = ("skip_special_tokens", "formatted_prompt", "return_tokens_as_token_ids")
_READ: Mapping[str, frozenset[str]] = {
    "sampling_options": frozenset(("n", "best_of", "guided_decoding", *_NUMBERS)),
    "stop_conditions": frozenset(("max_tokens", "min_tokens", "ignore_eos", "stop", *_STOP_IDS)),
    "output_options": frozenset(("logprobs", "prompt_logprobs", *_FRONTENDS)),
}
_GUIDE_REFUSED = {
    "backend": "the backend of guided decoding is chosen when the worker starts (--grammar-backend), not by a request",
    "whitespace_pattern": "guided_whitespace_pattern is not supported",
}
_NOTE = "armature"
_GUIDES: Mapping[str, GuideKind] = {
    "json": "json_schema",
    "regex": "regex",
    "choice": "choice",
    "grammar": "ebnf",
    "structural_tag": "structural_tag",
}


def check_types(request: Mapping[str, Any], shape: Mapping[str, Any] = SHAPE) -> None:
    """Raise Unsupported for a field of a wrong type."""
    try:
        check_shape(request, shape)
    except Malformed as e:
        raise Unsupported(str(e)) from None


def read_request(request: Mapping[str, Any], request_id: str) -> GenerateRequest:
    """The typed value of a tokenized request. Raises Unsupported for fields of a wrong type, and for what would otherwise be
    dropped silently."""
    check_types(request)
    stops = request.get("stop_conditions") or {}
    sampling = request.get("sampling_options") or {}
    output = request.get("output_options") or {}
    routing = request.get("routing") or {}
    for name, section in (("", request), ("sampling_options", sampling), ("stop_conditions", stops), ("output_options", output)):
        _refuse(section, name)
    _refuse(routing, "routing")
    _refuse_passed_on(request)
    return GenerateRequest(
        request_id=request_id,
        token_ids=read_token_ids(request.get("token_ids")),
        sampling=_sampling(request, sampling, stops),
        logprobs=output.get("logprobs"),
        echo=read_echo(output, stops),
        dp_rank=routing.get("dp_rank"),
        prefill_dp_rank=routing.get("prefill_dp_rank"),
        priority=routing.get("priority"),
        bootstrap=read_bootstrap(request.get("bootstrap_info")),
    )


def _sampling(request: Mapping[str, Any], sampling: Mapping[str, Any], stops: Mapping[str, Any]) -> Sampling:
    n = sampling.get("n") or 1
    best_of = sampling.get("best_of")
    if best_of is not None and best_of != n:
        raise Unsupported(f"best_of ({best_of}) other than n ({n}) is not supported")
    ignore_eos = bool(stops.get("ignore_eos"))
    return Sampling(
        **{name: sampling.get(name) for name in _NUMBERS},
        max_tokens=stops.get("max_tokens"),
        min_tokens=stops.get("min_tokens"),
        n=n,
        stop=tuple(stops.get("stop") or ()),
        stop_token_ids=_stop_token_ids(request, stops, ignore_eos),
        ignore_eos=ignore_eos,
        guide=read_guide(sampling.get("guided_decoding")),
    )


def read_bootstrap(info: Mapping[str, Any] | None) -> Bootstrap | None:
    """Where the legs meet, when the frontend chose it."""
    if not info:
        return None
    for field in ("bootstrap_host", "bootstrap_port", "bootstrap_room"):
        if info.get(field) is None:
            raise Unsupported(f"bootstrap_info has no {field}")
    return Bootstrap(info["bootstrap_host"], info["bootstrap_port"], info["bootstrap_room"])


def read_note(request: Mapping[str, Any]) -> Note | None:
    """The note of an earlier attempt of `request`; None for the first one, and for links that are no notes of ours."""
    link = request.get("migration_link")
    if not link or link.get("trace_id") != _NOTE:
        return None
    prompt, _, cached = str(link["span_id"]).partition(" ")
    return Note(int(prompt), int(cached))


def with_note(chunk: dict[str, Any], note: Note) -> dict[str, Any]:
    """`chunk` with a note to the next attempt of its request."""
    return chunk | {"worker_trace_link": {"trace_id": _NOTE, "span_id": f"{note.prompt_tokens} {note.cached_tokens}"}}


def prompt_length(request: Mapping[str, Any]) -> int:
    """How many tokens the prompt has, without making an object of each. 0 where it is no list of tokens, which `read_request` refuses."""
    ids = request.get("token_ids")
    if isinstance(ids, (bytes, bytearray, memoryview)):
        return memoryview(ids).nbytes // 4
    return len(ids) if isinstance(ids, (list, tuple)) else 0


def read_token_ids(value: Any) -> list[int]:
    """The prompt's token ids, which come as a list, or as packed little-endian 32-bit integers (DYN_TOKEN_IDS_AS_BYTES)."""
    if not value:
        raise Unsupported("the prompt is empty")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return list(memoryview(value).cast("B").cast("i"))
    return list(value)


def read_echo(output: Mapping[str, Any], stops: Mapping[str, Any]) -> bool:
    """Whether the prompt is asked for beside the output, in the one form that the frontend can show."""
    asked = output.get("prompt_logprobs")
    if asked is None:
        return False
    if asked != 1:
        raise Unsupported(f"prompt_logprobs={asked} is not supported: ask /v1/completions with echo=true and logprobs={asked}")
    if output.get("logprobs") is None:
        raise Unsupported("echo without logprobs is not supported: add logprobs, or put the prompt before the answer yourself")
    if stops.get("stop"):
        raise Unsupported("echo together with stop is not supported: a stop string in the prompt would end the text")
    return True


def read_guide(guided: Mapping[str, Any] | None) -> Guide | None:
    """The one constraint that `guided_decoding` names, if any."""
    if not guided:
        return None
    given = [name for name in _GUIDES if guided.get(name) is not None]
    if not given:
        return None
    if len(given) > 1:
        raise Unsupported(f"an output can follow only one grammar, not {' and '.join(given)}")
    for name, reason in _GUIDE_REFUSED.items():
        if guided.get(name) is not None:
            raise Unsupported(reason)
    name, value = given[0], guided[given[0]]
    if name == "choice":
        if not value:
            raise Unsupported("guided_choice is empty")
        return Guide("choice", choices=tuple(str(v) for v in value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Guide(_GUIDES[name], text)


def token_chunk(
    index: int,
    token_ids: list[int],
    *,
    log_probs: list[float] | None = None,
    top_logprobs: list[list[dict[str, Any]]] | None = None,
    finish_reason: str | None = None,
    stop_reason: str | int | None = None,
    usage: dict[str, Any] | None = None,
    text: str | None = None,
) -> dict[str, Any]:
    """What output `index` gained. finish_reason: stop | length | cancelled. stop_reason: the stop string or id that matched.

    text: shown instead of what the frontend would make of `token_ids`, in which it then looks for no stop, either.
    """
    chunk: dict[str, Any] = {"token_ids": token_ids, "index": index}
    if text is not None:
        chunk["text"], chunk["tokens"] = text, [None] * len(token_ids)
    if log_probs is not None:
        chunk["log_probs"] = log_probs
        if top_logprobs is not None:
            chunk["top_logprobs"] = top_logprobs
    if finish_reason is not None:
        chunk["finish_reason"] = finish_reason
        if stop_reason is not None:
            chunk["stop_reason"] = stop_reason
        if usage is not None:
            chunk["completion_usage"] = usage
    return chunk


def handed_over(meet: Bootstrap, usage: dict[str, Any] | None) -> dict[str, Any]:
    """The one chunk of a prefill leg, sent when the KV cache has gone over: no token, and where the legs met.

    The frontend takes a leg that ends without it for a failure, and fails the request.
    """
    params = {"bootstrap_host": meet.host, "bootstrap_port": meet.port, "bootstrap_room": meet.room}
    chunk: dict[str, Any] = {"token_ids": [], "index": 0, "finish_reason": "stop", "disaggregated_params": params}
    if usage is not None:
        chunk["completion_usage"] = usage
    return chunk


def top_logprob(token_id: int, logprob: float, rank: int) -> dict[str, Any]:
    """One likely token. The frontend, which has the tokenizer, fills in its text."""
    return {"rank": rank, "token_id": token_id, "token": None, "logprob": logprob}


def usage(prompt_tokens: int, completion_tokens: int, cached_tokens: int) -> dict[str, Any]:
    """Token counts of a whole request, in OpenAI's words."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }


def _stop_token_ids(request: Mapping[str, Any], stops: Mapping[str, Any], ignore_eos: bool) -> tuple[int, ...]:
    """Each id once, in the order of first mention."""
    given: list[Iterable[int] | None] = [stops.get("stop_token_ids"), stops.get("stop_token_ids_visible")]
    if not ignore_eos:
        given += [stops.get("stop_token_ids_hidden"), request.get("eos_token_ids")]
    return tuple(dict.fromkeys(token for ids in given if ids for token in ids))


def _refuse(section: Mapping[str, Any], name: str) -> None:
    for field, reason in REFUSED[name].items():
        if section.get(field):
            raise Unsupported(reason)
    for field in section.keys() - _READ[name] if name in _READ else ():
        if section[field] and field not in REFUSED[name]:
            raise Unsupported(f"{field} is not supported")


def _refuse_passed_on(request: Mapping[str, Any]) -> None:
    """What the frontend hands through unread, such as allowed_token_ids: no worker of ours reads it, either."""
    passed = (request.get("extra_args") or {}).get("sampling_options") or {}
    for field, value in passed.items():
        if value is not None and (field, value) != ("detokenize", True):
            raise Unsupported(f"{field} is not supported")
