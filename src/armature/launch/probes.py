"""Readiness: asking a node, again and again, until it answers as its probe wants."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable

from armature.graph.node import HttpProbe, LogProbe, ModelProbe, Probe
from armature.launch import http

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.25
_ATTEMPT_S = 5.0  # for one question that should be answered at once


class NotReady(Exception):
    """A node was not ready in time. The text says what was asked and what the last answer was."""


LineSearch = Callable[[re.Pattern[str]], bool]  # has any line of the node's output matched so far?


async def until_ready(probe: Probe, has_line: LineSearch) -> None:
    """Return when `probe` is content. Raises NotReady after its `timeout_s`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + probe.timeout_s
    pause, last = FIRST_PAUSE_S, "no answer"
    while (left := deadline - loop.time()) > 0:
        try:
            async with asyncio.timeout(left):
                answer = await _ask(probe, has_line, left)
        except TimeoutError:
            last = f"no answer within {probe.timeout_s:g} s" if last == "no answer" else last
            continue
        if answer is None:
            return
        last = answer
        await asyncio.sleep(min(pause, max(0.0, deadline - loop.time())))
        pause = min(pause * 1.5, LONGEST_PAUSE_S)
    raise NotReady(f"not ready after {probe.timeout_s:g} s: waited until {describe(probe)}; last answer: {last}")


def describe(probe: Probe) -> str:
    """What the probe waits for, in words."""
    match probe:
        case HttpProbe():
            return f"GET {probe.url} answers {probe.status}"
        case LogProbe():
            return f"a line of its output matches {probe.pattern!r}"
        case ModelProbe():
            return f"{probe.url} lists {probe.model} and answers POST {probe.path}"


async def _ask(probe: Probe, has_line: LineSearch, left: float) -> str | None:
    """One attempt: None when the probe is content, else what was answered."""
    try:
        match probe:
            case HttpProbe():
                answer = await http.get(probe.url, min(left, _ATTEMPT_S))
                return None if answer.status == probe.status else answer.brief()
            case LogProbe():
                return None if has_line(re.compile(probe.pattern)) else "no line matches yet"
            case ModelProbe():
                return await _ask_model(probe, left)
    except TimeoutError:
        return f"no answer within {min(left, _ATTEMPT_S):g} s"
    except OSError as e:
        return os.strerror(e.errno) if e.errno and e.errno > 0 else str(e) or type(e).__name__


async def _ask_model(probe: ModelProbe, left: float) -> str | None:
    base = probe.url.rstrip("/")
    listed = await http.get(f"{base}/v1/models", min(left, _ATTEMPT_S))
    if listed.status != 200:
        return f"GET /v1/models answered {listed.brief()}"
    try:
        names = [str(m["id"]) for m in listed.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return f"GET /v1/models did not answer with a list of models: {listed.brief()}"
    if probe.model not in names:
        return f"GET /v1/models lists {', '.join(names) or 'no model'}"
    # One real request goes through every hop. It may take long: the engine's first request compiles or warms up.
    answer = await http.post(base + probe.path, probe.body, left)
    return None if answer.status == 200 else f"POST {probe.path} answered {answer.brief()}"
