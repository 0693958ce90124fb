"""The official Anthropic client: asks what ASKED (a JSON file) says, prints what it got as JSON. Its environment has no Armature.

python anthropic_python.py ASKED
"""

import json
import sys
from pathlib import Path
from typing import Any

import anthropic


def failure(client: anthropic.Anthropic, **asked: Any) -> dict[str, Any] | None:
    try:
        client.messages.create(**asked)
    except anthropic.APIStatusError as e:
        return {"class": type(e).__name__, "status": e.status_code, "message": e.message}
    return None


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text())
    client = anthropic.Anthropic(base_url=asked["url"], api_key="none", max_retries=0)
    sampling: dict[str, Any] = {"top_k": 1}  # greedy, also in versions of the client that know no temperature
    chat: dict[str, Any] = {"model": asked["model"], "messages": asked["messages"], "max_tokens": asked["max_tokens"]}

    plain = client.messages.create(**chat, extra_body=sampling)
    text = ""
    with client.messages.stream(**chat, extra_body=sampling) as stream:
        for piece in stream.text_stream:
            text += piece
        final = stream.get_final_message()
    with client.messages.stream(**chat | {"max_tokens": 500}, extra_body=sampling) as stream:
        cut_after = sum(1 for _ in zip(range(3), stream.text_stream, strict=False))
    got = {
        "models": [m.id for m in client.models.list()],
        "chat": {"text": "".join(b.text for b in plain.content), "stop_reason": plain.stop_reason, "usage": plain.usage.model_dump()},
        "streamed": {"text": text, "stop_reason": final.stop_reason, "usage": final.usage.model_dump()},
        "cut_after": cut_after,
        "errors": {
            "refused": failure(client, **chat | {"messages": [{"role": "user", "content": "too long " * 5000}]}),
            "unknown_model": failure(client, **chat | {"model": "nobody"}),
        },
    }
    print(json.dumps(got))


main()
