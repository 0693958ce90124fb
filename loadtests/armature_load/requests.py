"""The requests of one class: the `index`-th is the same in every run with the same seed, and its body is joined, not encoded."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from armature_load import lengths
from armature_load.draws import Draw
from armature_load.images import data_uris
from armature_load.prompts import BLOCK, Corpus
from armature_load.settings import GENERATING, Settings, Workload
from armature_load.trace import TraceRequest

PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "images": "/v1/images/generations",
    "multimodal": "/v1/chat/completions",
}


USER = b'{"role":"user","content":'


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent. seed: from which its prompt was drawn. content: the prompt as a JSON value of a message."""

    user: str
    title: str
    path: str
    body: bytes
    streams: bool
    asked_input: int | None
    asked_output: int | None
    seed: int | None
    content: bytes = b""
    session: str | None = None
    turn: int | None = None


@dataclass(frozen=True)
class Turn:
    """What was said before: a user's content and the answer to it, both as JSON values."""

    content: bytes
    answer: str


class Maker:
    """Makes the requests of one class."""

    def __init__(self, workload: Workload, settings: Settings, model: str, corpus: Corpus) -> None:
        self.workload = workload
        self._settings = settings
        self._corpus = corpus
        self._input, self._output = lengths.parse(workload.input), lengths.parse(workload.output)
        self._streams = settings.stream and workload.user in GENERATING
        self._head = b'{"model":' + _json(model) + b","
        self._tail = json.dumps(fixed_fields(settings, workload)).encode()[1:]
        self._images = data_uris(workload.image_size, settings.seed) if workload.user == "multimodal" else []

    def make(self, index: int, phase: str, turn: int = 0, history: tuple[Turn, ...] = ()) -> Request:
        """The `index`-th request of `phase` (measure or warmup, which share no prompt); `turn` of it, after `history`."""
        w, draw = self.workload, Draw(self._settings.seed, self.workload.title, phase, index, turn)
        tokens, wanted = self._input.draw(draw, 0), self._output.draw(draw, 1)
        prompt = self._corpus.prompt(tokens, draw)
        if w.prefix and turn == 0:
            group = draw.below(2, w.prefix.groups)
            prompt = self._corpus.prompt(w.prefix.length, Draw(self._settings.seed, w.title, "prefix", group)) + prompt
            tokens += w.prefix.length
        request = self._request(prompt, draw, history, tokens, wanted)
        if w.turns > 1:
            return replace(request, session=f"{phase}-{w.title}-{index}", turn=turn)
        return request

    def replayed(self, traced: TraceRequest) -> Request:
        """A trace's request."""
        *whole, last = traced.hash_ids
        rest = traced.input_tokens - BLOCK * len(whole)
        prompt = b"".join([*(self._corpus.block(h) for h in whole), self._corpus.block(last, rest)])
        return self._request(prompt, None, (), traced.input_tokens, traced.output_tokens)

    def _request(self, prompt: bytes, draw: Draw | None, history: tuple[Turn, ...], tokens: int, wanted: int) -> Request:
        user = self.workload.user
        content = self._content(prompt, draw)
        if user in ("chat", "multimodal"):
            said = [USER + t.content + b'},{"role":"assistant","content":' + _json(t.answer) + b"}," for t in history]
            field = b'"messages":[' + b"".join(said) + USER + content + b"}],"
        else:
            field = (b'"input":' if user == "embeddings" else b'"prompt":') + content + b","
        generates = user in GENERATING
        limit = b'"max_tokens":%d,' % wanted if generates else b""
        return Request(
            user=user,
            title=self.workload.title,
            path=PATHS[user],
            body=self._head + field + limit + self._tail,
            streams=self._streams,
            asked_input=tokens,
            asked_output=wanted if generates else None,
            seed=draw.bits(3) >> 11 if draw else None,  # a JSON number that every reader keeps exactly
            content=content,
        )

    def _content(self, prompt: bytes, draw: Draw | None) -> bytes:
        if self.workload.kind == "ids":
            return b"[" + prompt[:-1] + b"]"
        text = b'"' + prompt[:-1] + b'"'
        if not self._images or draw is None:
            return text
        first = draw.below(2, len(self._images))
        chosen = [self._images[(first + k) % len(self._images)] for k in range(self.workload.images)]
        images = b"".join(b'{"type":"image_url","image_url":{"url":"' + uri + b'"}},' for uri in chosen)
        return b"[" + images + b'{"type":"text","text":' + text + b"}]"


def fixed_fields(s: Settings, w: Workload) -> dict[str, Any]:
    """The fields that all requests of a class have."""
    fields: dict[str, Any] = {}
    if w.user in GENERATING:
        fields = {"temperature": s.temperature, "stream": s.stream}
        if s.ignore_eos:
            fields["ignore_eos"] = True
        if s.stream:
            fields["stream_options"] = {"include_usage": True} | ({"continuous_usage_stats": True} if s.server == "usage" else {})
        if s.server == "dynamo":
            fields["nvext"] = {"extra_fields": ["completion_token_ids"]}
    elif w.user == "images":
        fields = {"n": w.images, "size": w.image_size, "response_format": "b64_json"}
    else:
        fields = {"encoding_format": "float"}
    return fields | s.extra_body


def _json(text: str) -> bytes:
    return json.dumps(text).encode()
