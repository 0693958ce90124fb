"""Reading a stream that is cut anywhere."""

from __future__ import annotations

import json

import pytest

from armature_load.answers import Repeat, ServerError, Streamed, StreamError, Whole
from armature_load.sse import Event, SseParser

TEXT = """\
data: {"a": "é"}

: a comment

data: one
data: two

event: error
data: broken

event: error
: as a comment

data:[DONE]

"""
EVENTS = [
    Event(None, '{"a": "é"}'.encode()),
    Event(None, b"one\ntwo"),
    Event(b"error", b"broken"),
    Event(b"error", b"as a comment"),
    Event(None, b"[DONE]"),
]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_pieces_may_end_anywhere(end: str, size: int) -> None:
    parser, data = SseParser(), TEXT.replace("\n", end).encode()
    found = [event for i in range(0, len(data), size) for event in parser.feed(data[i : i + size])]
    held = parser.feed(b"\n") if end == "\r" else []  # a last \r waits for its \n
    assert found + held == EVENTS


def test_a_piece_that_is_one_event_is_that_event() -> None:
    parser = SseParser()
    assert parser.feed(b"data: x\n\n") == [Event(None, b"x")]
    assert parser.rest == b""


def streamed(*events: str) -> Streamed:
    answer = Streamed(keep_text=True)
    for k, event in enumerate(events):
        answer.feed(float(k), f"data: {event}\n\n".encode())
    return answer


def test_only_chunks_with_tokens_count() -> None:
    answer = streamed(
        '{"choices":[{"delta":{"role":"assistant","content":""}}]}',
        '{"choices":[{"delta":{"content":"a"}}]}',
        '{"choices":[{"delta":{"reasoning_content":"b"}}]}',
        '{"choices":[{"delta":{},"finish_reason":"stop"}]}',
        '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}',
        "[DONE]",
    )
    answer.end()
    assert (answer.times, answer.tokens, answer.text, answer.done) == ([1.0, 2.0], None, "ab", 5.0)
    assert (answer.usage.input, answer.usage.output, answer.usage.cached) == (3, 2, 1)


def test_token_ids_tell_what_a_chunk_bears_even_without_text() -> None:
    answer = streamed(
        '{"choices":[{"text":""}],"nvext":{"completion_token_ids":[5]}}',
        '{"choices":[{"text":"ab"}],"nvext":{"completion_token_ids":[6,7]}}',
        '{"choices":[{"text":"","finish_reason":"length"}],"nvext":{"completion_token_ids":[]}}',
        "[DONE]",
    )
    assert (answer.times, answer.tokens) == ([0.0, 1.0], [1, 2])


def test_a_usage_in_every_chunk_tells_it_too() -> None:
    answer = streamed(*(f'{{"choices":[{{"text":"x"}}],"usage":{{"completion_tokens":{n}}}}}' for n in (1, 3, 3, 4)), "[DONE]")
    assert (answer.times, answer.tokens) == ([0.0, 1.0, 3.0], [1, 2, 1])


@pytest.mark.parametrize("event", ['{"error": {"message": "no room"}}', '{"error": "no room"}'])
def test_an_error_in_the_stream_is_the_servers(event: str) -> None:
    with pytest.raises(ServerError, match="no room"):
        streamed(event)


@pytest.mark.parametrize("event", ["{", "[1]"])
def test_what_is_no_chunk_is_a_broken_stream(event: str) -> None:
    with pytest.raises(StreamError):
        streamed(event)


def test_a_stream_without_an_end_is_broken() -> None:
    with pytest.raises(StreamError, match="before the answer was complete"):
        streamed('{"choices":[{"text":"a"}]}').end()


def test_a_stream_without_a_token_is_an_error() -> None:
    with pytest.raises(ServerError, match="no token"):
        streamed('{"choices":[{"text":"","finish_reason":"stop"}]}', "[DONE]").end()


def test_the_usage_of_a_large_answer_is_found_at_its_end() -> None:
    answer = Whole(keep_body=False)
    answer.feed(0.0, b'{"data":["' + b"x" * 100_000 + b'"],"usage": {"prompt_tokens": 8, "total_tokens": 8}}')
    answer.end()
    assert answer.usage.input == 8


@pytest.mark.parametrize(
    ("texts", "counts", "tokens"),
    [
        (["", "", "", "😀", "字"], [1, 2, 3, 4, 5], [1, 1, 1, 1, 1]),  # the server sends a chunk for each token
        (["😀", "字"], [4, 5], [4, 1]),  # it holds back what is no whole character
        (["a", "", "字"], [1, 1, 3], [1, 2]),  # a chunk that counts nothing bears no token
        (["a", "b"], [3, 1], [3]),  # a count that falls
    ],
)
@pytest.mark.parametrize("chat", [False, True])
def test_tokens_of_characters_in_parts_are_counted_by_the_usage(texts: list[str], counts: list[int], tokens: list[int], chat: bool) -> None:
    answer = Streamed(keep_text=True)
    for at, (text, count) in enumerate(zip(texts, counts, strict=True)):
        said = {"delta": {"content": text} if text else {}} if chat else {"text": text}
        usage = {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}
        event = json.dumps({"choices": [{"index": 0, **said}], "usage": usage}, ensure_ascii=False, separators=(",", ":"))
        answer.feed(float(at), f"data: {event}\n\n".encode())
    assert (answer.tokens, answer.text) == (tokens, "".join(texts))
    assert len(answer.times) == len(tokens)


class Never(Repeat):
    def learn(self, data: bytes, text: str) -> None:
        pass


USAGE = ',"usage":{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":%d}'
CHUNK = '{"id":"1","choices":[{"delta":{"content":%s},"finish_reason":null}]}'


@pytest.mark.parametrize("text", ['"b"', '"é"', '"\\u00e9"', '"\\""', '"\\\\"', '"b","x":"c"', '""', "null", '"content"'])
@pytest.mark.parametrize(
    "tail",
    [
        *("", ',"nvext":{"completion_token_ids":[1]}', ',"error":{"message":"no"}', ',"usage":null', USAGE % (2, 9), USAGE % (12, 19)),
        *(',"usage":{"completion_tokens":2}', ',"usage":{"completion_tokens":2,"total_tokens":9.5}'),
    ],
)
@pytest.mark.parametrize("usage", ["", USAGE % (1, 8)])
def test_repeated_chunks_are_read_as_if_each_were_decoded(text: str, tail: str, usage: str) -> None:
    first, second = (CHUNK % '"a"')[:-1] + usage + "}", (CHUNK % text)[:-1] + tail + "}"

    def read(*events: str) -> tuple[object, ...]:
        try:
            answer = streamed(*events)
        except ServerError as e:
            return ("error", str(e))
        return (answer.times, answer.tokens, answer.text, answer.chunks, answer.usage.output)

    again = Streamed(keep_text=True)
    again._repeat = Never()
    try:
        for k, event in enumerate((first, first, second)):
            again.feed(float(k), f"data: {event}\n\n".encode())
        decoded: tuple[object, ...] = (again.times, again.tokens, again.text, again.chunks, again.usage.output)
    except ServerError as e:
        decoded = ("error", str(e))
    assert read(first, first, second) == decoded
