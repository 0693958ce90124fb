"""The blocks that engines hold, and those that the router believes they hold."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from openai import OpenAI

from support.serving import Up, tell

BLOCK = 16
Blocks = dict[str, set[int]]  # "WORKER.RANK" -> hashes


def engines(running: Up) -> tuple[Blocks, int]:
    """What every engine that publishes holds, and by how many blocks what had been passed on was wrong."""
    found, wrong = {}, 0
    for node in running.plan["nodes"]:
        if "kv_events" in node["ports"]:
            answer = tell(running, node["name"], "kv/check", {"hashes": True})
            for rank in answer["ranks"]:
                found[f"{answer['worker']}.{rank['rank']}"] = {h % 2**64 for h in rank["hashes"]}  # the router's are unsigned
                wrong += rank["missing"] + rank["stale"]
    return found, wrong


def router(running: Up, endpoint: str = "armature.backend.generate") -> Blocks:
    """What a router that joins now knows. See `router_index`."""
    frontend = next(n for n in running.plan["nodes"] if n["name"] == "frontend")
    program = Path(__file__).with_name("router_index.py")
    env = os.environ | frontend["env"] | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "DYN_LOG": "error"}
    done = subprocess.run([sys.executable, str(program), endpoint, str(BLOCK)], env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr[-2000:]
    return {rank: {h % 2**64 for h in hashes} for rank, hashes in json.loads(done.stdout.splitlines()[-1]).items()}


def random_requests(served: Any, count: int, seed: int, users: int = 8) -> None:
    """Prompts of 20 to 200 tokens, a third of which begin like another one; every answer is awaited."""
    rng = random.Random(seed)
    heads = [[rng.randrange(20, 400) for _ in range(96)] for _ in range(40)]
    prompts = []
    for _ in range(count):
        own = [rng.randrange(20, 400) for _ in range(rng.randrange(20, 200))]
        prompts.append((rng.choice(heads) + own)[:200] if rng.random() < 0.33 else own)
    client: OpenAI = served.client

    def ask(prompt: list[int]) -> None:
        client.completions.create(model=served.model, prompt=prompt, max_tokens=1 + len(prompt) % 20, temperature=0)

    with ThreadPoolExecutor(users) as pool:
        list(pool.map(ask, prompts))


def cached(served: Any, prompt: list[int]) -> int:
    """Ask, and return how many of the prompt's tokens came from a cache."""
    usage = served.client.completions.create(model=served.model, prompt=prompt, max_tokens=1, temperature=0).usage
    return (usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0
