"""What clients get: text, usage, log probabilities, statuses, and that a client's going away reaches the engine."""

from __future__ import annotations

import pytest
from processes import NAME, Pair, Stream, call, chat, wait_for
from scripted_worker import BREAK, BREAK_LATER, ECHOED, REFUSE, SILENT

CHAT = "/v1/chat/completions"


def test_unary(pair: Pair) -> None:
    answer = call(pair.frontend.port, CHAT, chat(max_tokens=5)).json
    assert answer["choices"][0]["message"]["content"] == "defgh"
    assert answer["choices"][0]["finish_reason"] == "length"
    usage = answer["usage"]
    assert usage["completion_tokens"] == 5 and usage["prompt_tokens_details"]["cached_tokens"] == 3
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5


def test_streamed_token_by_token(pair: Pair) -> None:
    events = call(pair.frontend.port, CHAT, chat(max_tokens=5, stream=True)).events
    texts = [e["choices"][0]["delta"].get("content") for e in events if e["choices"]]
    assert [t for t in texts if t] == list("defgh")
    assert [e["choices"][0]["finish_reason"] for e in events if e["choices"]][-1] == "length"
    assert not any(e.get("usage") for e in events)


def test_usage_of_a_stream_comes_last_when_asked_for(pair: Pair) -> None:
    events = call(pair.frontend.port, CHAT, chat(stream=True, stream_options={"include_usage": True})).events
    assert events[-1]["choices"] == [] and events[-1]["usage"]["completion_tokens"] == 4


def test_usage_sums_up_over_n_outputs(pair: Pair) -> None:
    answer = call(pair.frontend.port, CHAT, chat(n=3)).json
    assert [c["index"] for c in answer["choices"]] == [0, 1, 2]
    assert {c["message"]["content"] for c in answer["choices"]} == {"defg"}
    assert answer["usage"]["completion_tokens"] == 12


def test_logprobs_of_a_chat_have_text(pair: Pair) -> None:
    content = call(pair.frontend.port, CHAT, chat(max_tokens=2, logprobs=True, top_logprobs=2)).json["choices"][0]["logprobs"]["content"]
    assert [(c["token"], c["logprob"]) for c in content] == [("d", -0.25), ("e", -0.25)]
    assert [t["token"] for t in content[0]["top_logprobs"]] == ["d", "e"]


def test_logprobs_of_a_completion_have_text(pair: Pair) -> None:
    body = {"model": NAME, "prompt": "hi", "max_tokens": 2, "logprobs": 2}
    logprobs = call(pair.frontend.port, "/v1/completions", body).json["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["d", "e"] and logprobs["token_logprobs"] == [-0.25, -0.25]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("k", [0, 2])
def test_an_echoed_prompt_stands_before_the_output(pair: Pair, stream: bool, k: int) -> None:
    """Token 2 ends a turn, and ends nothing here. One figure is printed in two ways, as docs/reference/requests.md says."""
    body = {"model": NAME, "prompt": [74, 2, 75], "max_tokens": 2, "echo": True, "logprobs": k, "stream": stream}
    answer = call(pair.frontend.port, "/v1/completions", body)
    assert answer.status == 200, answer.body
    choices = [e["choices"][0] for e in answer.events if e["choices"]] if stream else [answer.json["choices"][0]]
    assert "".join(c["text"] for c in choices) == "hide"
    assert [t for c in choices for t in c["logprobs"]["tokens"]] == ["h", "", "i", "d", "e"]
    assert [v for c in choices for v in c["logprobs"]["token_logprobs"]] == [None, -2.461235, -2.461235, -0.25, -0.25]
    tops = [v for c in choices for v in c["logprobs"]["top_logprobs"]]
    assert tops == ([{"h": None}, {"": ECHOED}, {"i": ECHOED}, {"d": -0.25, "e": -1.25}, {"d": -0.25, "e": -0.25}] if k else [])
    assert choices[-1]["finish_reason"] == "length"


def test_an_echoed_prompt_stands_before_each_of_n_outputs(pair: Pair) -> None:
    body = {"model": NAME, "prompt": "hi", "max_tokens": 1, "echo": True, "logprobs": 1, "n": 2}
    answer = call(pair.frontend.port, "/v1/completions", body).json
    assert [c["text"] for c in answer["choices"]] == ["hid", "hid"]


def test_stop_string_is_cut_off(pair: Pair) -> None:
    choice = call(pair.frontend.port, CHAT, chat(max_tokens=8, stop=["gh"])).json["choices"][0]
    assert choice["message"]["content"] == "def" and choice["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_refused_by_the_engine_is_400_with_the_reason(pair: Pair, stream: bool) -> None:
    answer = call(pair.frontend.port, CHAT, chat(seed=REFUSE, stream=stream))
    assert answer.status == 400 and answer.json["message"] == "the script refuses this"


@pytest.mark.parametrize("stream", [False, True])
def test_broken_before_the_first_token_is_500_and_the_log_says_why(pair: Pair, stream: bool) -> None:
    assert call(pair.frontend.port, CHAT, chat(seed=BREAK, stream=stream)).status == 500
    assert "the script breaks" in pair.worker.text() and "the script breaks" in pair.frontend.text()


def test_broken_later_ends_the_stream_with_an_error(pair: Pair) -> None:
    assert call(pair.frontend.port, CHAT, chat(seed=BREAK_LATER)).status == 500
    events = call(pair.frontend.port, CHAT, chat(seed=BREAK_LATER, stream=True)).events
    assert [e["choices"][0]["delta"]["content"] for e in events[:2]] == ["d", "e"]
    assert events[-1]["error"]["code"] == 500
    assert "the script breaks later" in pair.worker.text()


def test_unknown_model_is_404(pair: Pair) -> None:
    assert call(pair.frontend.port, CHAT, chat(model="no-such")).status == 404


@pytest.mark.parametrize("streamed", [True, False])
def test_client_gone_before_the_first_token_aborts_in_the_engine(pair: Pair, streamed: bool) -> None:
    before, ends = len(pair.worker.events("request")), len(pair.worker.events("end"))
    stream = Stream(pair.frontend.port, seed=SILENT)
    if not streamed:
        stream.cut()
        stream = Stream(pair.frontend.port, seed=SILENT)
    (request,) = wait_for(lambda: pair.worker.events("request")[-1:] if len(pair.worker.events("request")) > before else None, "it arrived")
    stream.cut()
    wait_for(lambda: any(e["aborted"] and e["id"].startswith(request["id"]) for e in pair.worker.events("end")[ends:]), "it was aborted", 5)


def test_client_gone_in_mid_stream_aborts_in_the_engine(pair: Pair) -> None:
    ends = len(pair.worker.events("end"))
    stream = Stream(pair.frontend.port, max_tokens=1000)
    assert stream.next()["choices"][0]["delta"]["content"] == "d"
    stream.cut()
    (end,) = wait_for(lambda: pair.worker.events("end")[ends:], "it ended", 5)
    assert end["aborted"]
    assert len([e for e in pair.worker.events("token") if e["id"] == end["id"]]) < 100


def test_a_finished_request_is_not_aborted(pair: Pair) -> None:
    aborts = len(pair.worker.events("abort"))
    assert call(pair.frontend.port, CHAT, chat()).status == 200
    assert len(pair.worker.events("abort")) == aborts
