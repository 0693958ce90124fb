"""What workers are told on their command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from armature.config.compose import compose
from armature.config.modelref import locate
from armature.errors import UserError
from armature.graph import rules


def argv_of(node: str, *words: str) -> tuple[str, ...]:
    deployment = compose(["model=tiny-qwen3", *words]).deployment
    return rules.build(deployment, locate(deployment.model, Path("/")))[node].argv


@pytest.mark.parametrize(("topology", "nodes"), [("agg", ["worker-0"]), ("disagg", ["prefill-0", "decode-0"])])
def test_limits_that_are_not_the_defaults_reach_every_worker(topology: str, nodes: list[str]) -> None:
    for node in nodes:
        assert "--request-limits" not in argv_of(node, f"topology={topology}", "requests.stop_strings=32")
        argv = argv_of(node, f"topology={topology}", "requests.stop_strings=4", "requests.guide_mb=8")
        assert json.loads(argv[argv.index("--request-limits") + 1]) == {"stop_strings": 4, "guide_mb": 8}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("requests.stop_strngs=4", "did you mean requests.stop_strings"),
        ("requests.outputs=0", "requests.outputs"),
        ("requests.guide_mb=999", "guide_cache_mb=128"),
    ],
)
def test_wrong_limits_are_refused_with_the_field(word: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        compose(["model=tiny-qwen3", word])
    assert said in str(refused.value) + str(refused.value.fix)
