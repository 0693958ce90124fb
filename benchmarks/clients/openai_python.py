"""The official OpenAI client for Python: asks what ASKED (a JSON file) says, prints what it got as JSON.

python openai_python.py ASKED
"""

import json
import sys
from pathlib import Path
from typing import Any

import openai


def failure(client: openai.OpenAI, **asked: Any) -> dict[str, Any] | None:
    try:
        client.chat.completions.create(**asked)
    except openai.APIStatusError as e:
        return {"class": type(e).__name__, "status": e.status_code, "message": e.message}
    return None


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text())
    model, prompts, count = asked["model"], asked["prompts"], asked["max_tokens"]
    client = openai.OpenAI(base_url=f"{asked['url']}/v1", api_key="none", max_retries=0)
    chat: dict[str, Any] = {"model": model, "messages": asked["messages"], "max_tokens": count, "temperature": 0}

    plain = client.chat.completions.create(**chat, logprobs=True, top_logprobs=2)
    text, usage = "", None
    for chunk in client.chat.completions.create(**chat, stream=True, stream_options={"include_usage": True}):
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        usage = chunk.usage or usage
    with client.chat.completions.create(**chat | {"max_tokens": 500}, stream=True) as stream:
        cut_after = sum(1 for _ in zip(range(3), stream, strict=False))
    completions = [client.completions.create(model=model, prompt=prompt, max_tokens=count, temperature=0) for prompt in prompts]
    echoed = client.completions.create(model=model, prompt=prompts[0], max_tokens=1, temperature=0, echo=True, logprobs=1)
    response = client.responses.create(model=model, input=asked["messages"], max_output_tokens=count, temperature=0)
    got = {
        "models": [m.id for m in client.models.list()],
        "chat": {
            "text": plain.choices[0].message.content,
            "usage": plain.usage.model_dump(),
            "logprobs": [c.logprob for c in plain.choices[0].logprobs.content],
        },
        "streamed": {"text": text, "usage": usage.model_dump()},
        "completions": [c.choices[0].text for c in completions],
        "echo": echoed.choices[0].logprobs.token_logprobs,
        "responses": response.output_text,
        "cut_after": cut_after,
        "errors": {
            "refused": failure(client, **chat, extra_body={"allowed_token_ids": [1]}),
            "unknown_model": failure(client, **chat | {"model": "nobody"}),
        },
    }
    print(json.dumps(got))


main()
