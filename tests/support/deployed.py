"""A deployment of the tiny model that answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openai import OpenAI

from support.serving import Up, up


@dataclass(frozen=True)
class Served:
    """A deployment that answers. url: of its frontend. model: the name to ask for."""

    up: Up
    url: str
    model: str

    @property
    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=120)


@contextmanager
def serve(root: Path, cache: Path, *words: str) -> Iterator[Served]:
    """`armature up WORDS +model=tiny-qwen3`, from when it serves to its end."""
    with up(root, cache, *words, "+model=tiny-qwen3", "frontend.port=0") as running:
        running.wait_event("serving")
        yield Served(running, running.plan["url"], running.plan["model"])
