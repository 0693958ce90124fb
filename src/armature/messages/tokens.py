"""A prompt and its output, in token ids: what passes between the runtime's side of a worker and the engine's.

Neither side knows the other's dicts. `runtime.wire` reads a request into these types, `engine.token_engine` answers it in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

GuideKind = Literal["json_schema", "regex", "ebnf", "structural_tag", "choice"]


@dataclass(frozen=True, slots=True)
class Guide:
    """A constraint on the output. text: a JSON schema, a regular expression, an EBNF or a structural tag. choices: of the kind `choice`."""

    kind: GuideKind
    text: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen and when to stop. None means: the engine's default.

    max_tokens: at most this many tokens are generated; None: as many as the context has room for.
    stop_token_ids: with those that end the model's turn, unless ignore_eos.
    n: how many independent outputs for one prompt; each chunk's `index` says which one it belongs to.
    """

    max_tokens: int | None = None
    min_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    guide: Guide | None = None


# The host of a Bootstrap whose other leg does not exist: the engine works alone, and no KV cache goes anywhere.
NOBODY = "2.2.2.2"  # SGLang's own value


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Where a prompt's KV cache changes hands: the bootstrap server of the prefill engine, and the room in which the two
    legs of one request meet (63 bits, chosen once for each request).
    """

    host: str
    port: int
    room: int


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One prompt, as token ids.

    logprobs: None for none; 0 for the chosen token's only; k > 0 for the k most likely tokens beside it.
    dp_rank: the data-parallel rank that must serve it; None lets the engine choose.
    priority: greater is sooner, as far as the engine's scheduling policy goes; None: the default.
    bootstrap: where the KV cache changes hands; for engines that only prefill or only decode.
    prefill_dp_rank: on a decode engine, the data-parallel rank of the prefill engine that has the request's other leg.
    sent: how many of the last of token_ids are output that the client has already, from an engine that died. They come in no chunk,
        and count as output: in usage, stop strings, penalties. `sampling` speaks of the tokens that are still to come.
    echo: the prompt comes before each output, as one chunk with its own log probabilities. Needs `logprobs`.
    """

    request_id: str
    token_ids: list[int]
    sampling: Sampling = field(default_factory=Sampling)
    logprobs: int | None = None
    dp_rank: int | None = None
    priority: int | None = None
    bootstrap: Bootstrap | None = None
    prefill_dp_rank: int | None = None
    sent: int = 0
    echo: bool = False


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """One likely token at one position. logprob: natural logarithm of its probability. rank: 1 is the most likely."""

    token_id: int
    logprob: float
    rank: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Why an output ended. `matched` is the stop string or stop token id that ended it, if one did.

    handoff: the KV cache did not get from prefill to decode; another pair of engines may have more luck.
    """

    reason: Literal["stop", "length", "cancelled", "error", "handoff"]
    matched: str | int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one output. cached_tokens: how many of the prompt's tokens came from the prefix cache."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one output gained since the last chunk.

    index: which of the n outputs. token_ids: the new tokens only. logprobs and top_logprobs: one entry per new
    token, or None when they were not asked for. finish and usage: on an output's last chunk only. cached_tokens: on its first
    chunk only, as in Usage.
    """

    index: int
    token_ids: list[int]
    logprobs: list[float] | None = None
    top_logprobs: list[list[TopLogprob]] | None = None
    finish: Finish | None = None
    usage: Usage | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class PromptChunk(Chunk):
    """Tokens of the prompt (`GenerateRequest.echo`). Its first token, which nothing precedes, has the log probability NaN.

    text: what the tokens read, where the frontend must not find that out from their ids; None: it does.
    """

    text: str | None = None
