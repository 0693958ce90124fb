"""`runtime=nats` end to end: etcd and nats-server started by the run, requests directly and through NATS."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.asked_http import IDS, streamed, unary
from support.reference import Reference, prompts
from support.serving import CLEAN, leftovers, processes_of

pytestmark = pytest.mark.engine

CHAT = [{"role": "user", "content": "hello world"}]
SERVERS = ("nats", "etcd")


@pytest.mark.parametrize("ask", [unary, streamed], ids=["unary", "streamed"])
def test_16_greedy_prompts_equal_hugging_face(on_nats: Any, reference: Reference, ask: Any) -> None:
    wanted = prompts(16)
    with ThreadPoolExecutor(8) as pool:
        served = list(pool.map(lambda p: ask(on_nats, p, 12), wanted))
    assert served == [reference.greedy(p, 12) for p in wanted]


def test_chat_goes_through_the_template(on_nats: Any, reference: Reference) -> None:
    answer = on_nats.client.chat.completions.create(model=on_nats.model, messages=CHAT, max_tokens=12, temperature=0, extra_body=IDS)
    prompt = reference.tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=False)
    ids = reference.tokenizer(prompt, add_special_tokens=False).input_ids
    assert answer.nvext["completion_token_ids"] == reference.greedy(ids, 12)


def test_the_longest_prompt_goes_through(on_nats: Any) -> None:
    answer = on_nats.client.completions.create(model=on_nats.model, prompt=[5] * 4000, max_tokens=2)
    assert answer.usage.prompt_tokens == 4000


def test_nothing_listens_beyond_loopback(on_nats: Any) -> None:
    listening = [
        (process.name(), connection.laddr.ip)
        for process in processes_of(on_nats.up)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {"nats-server", "etcd"} <= {name for name, _ in listening}
    assert [entry for entry in listening if entry[1] != "127.0.0.1"] == []


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_writes_below_the_run_directory_only(on_nats: Any, server: str) -> None:
    """Its files, and for JetStream, which has none before there is a stream, its folder."""
    run_dir = on_nats.up.run_dir
    process = psutil.Process(on_nats.up.wait_event("started", server)["pid"])
    written = [file.path for file in process.open_files() if file.mode != "r"]
    assert [path for path in written if not Path(path).is_relative_to(run_dir)] == []
    assert written or (run_dir / server / "jetstream").is_dir(), f"{server} keeps nothing"


def test_ctrl_c_ends_the_servers_last_and_leaves_nothing(on_nats: Any) -> None:
    """The last test: it ends the deployment that the others ask."""
    assert on_nats.up.end(signal.SIGINT) == 0
    stopped = [e["node"] for e in on_nats.up.events() if e["event"] == "stopped"]
    assert stopped[:2] == ["frontend", "worker-0"] and set(stopped[2:]) == set(SERVERS)
    assert leftovers(on_nats.up) == CLEAN
