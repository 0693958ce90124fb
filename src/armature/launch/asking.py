"""How to ask what a run serves: the command that the run prints, and the README shows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from armature.graph.node import ModelProbe

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
QUESTION, BEGINNING = "What is the capital of France?", "The capital of France is"
MAX_TOKENS = 32
GREEDY = {"max_tokens": MAX_TOKENS, "temperature": 0}  # the same answer each time, and of a small model the best one


def command(url: str, probe: ModelProbe) -> list[str]:
    """The lines of a curl command. A model with a chat template is asked a question; another one goes on with a text."""
    path, body = _request(probe)
    return [
        f"curl -s {url.rstrip('/')}{path} \\",
        "  -H 'Content-Type: application/json' \\",
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
    ]


def _request(probe: ModelProbe) -> tuple[str, Mapping[str, Any]]:
    if probe.path not in (CHAT, COMPLETIONS):
        return probe.path, probe.body
    if probe.path == CHAT or (probe.files and has_chat_template(Path(probe.files))):
        return CHAT, {"model": probe.model, "messages": [{"role": "user", "content": QUESTION}], **GREEDY}
    return COMPLETIONS, {"model": probe.model, "prompt": BEGINNING, **GREEDY}


def has_chat_template(folder: Path) -> bool:
    """Whether a model's folder, in Hugging Face's format, says how a conversation becomes a prompt."""
    if any((folder / name).exists() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_bytes()).get("chat_template"))
    except (OSError, ValueError, AttributeError):
        return False
