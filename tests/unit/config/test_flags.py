"""Native flags as words of a command line."""

from __future__ import annotations

import pytest

from armature.config.flags import table, to_argv


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"max_running_requests": 4}, ["--max-running-requests", "4"]),
        ({"disable_radix_cache": True}, ["--disable-radix-cache"]),
        ({"disable_radix_cache": False}, []),
        ({"lora_strict_loading": False}, ["--no-lora-strict-loading"]),
        ({"lora_strict_loading": True}, ["--lora-strict-loading"]),
        ({"tp_size": 2, "dtype": "bfloat16"}, ["--dtype", "bfloat16", "--tp-size", "2"]),
        ({"lora_paths": ["a=x", "b=y"]}, ["--lora-paths", "a=x", "b=y"]),
        ({"kv_events_config": {"publisher": "zmq"}}, ["--kv-events-config", '{"publisher": "zmq"}']),
    ],
)
def test_words(args: dict[str, object], words: list[str]) -> None:
    assert to_argv(args) == words  # type: ignore[arg-type]


def test_the_table_is_of_the_pinned_version() -> None:
    version, flags = table()
    assert version == "0.5.21"
    assert len(flags) > 400
