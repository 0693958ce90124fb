"""A deployment of the tiny model that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import OpenAI

from support.serving import Up, up, up_changed

ANY_PORT = "frontend.port=0"
OURS = ("+model=tiny-qwen3", ANY_PORT)


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
def serve(root: Path, cache: Path, *words: str, model: str = "tiny-qwen3") -> Iterator[Served]:
    """`armature up WORDS +model=MODEL`, from when it serves to its end."""
    with up(root, cache, *words, f"+model={model}", ANY_PORT) as running:
        yield _served(running)


@contextmanager
def serve_changed(root: Path, cache: Path, change: Callable[[dict[str, Any]], None], *words: str) -> Iterator[Served]:
    """`serve` with a plan that `change` has changed."""
    with up_changed(root, cache, change, *words, *OURS) as running:
        yield _served(running)


def _served(running: Up) -> Served:
    running.wait_event("serving")
    return Served(running, running.plan["url"], running.plan["model"])
