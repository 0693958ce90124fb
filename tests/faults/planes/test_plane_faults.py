"""What happens to a deployment when its NATS server or etcd goes away and comes back."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from plane_servers import SERVERS, Outside, outside, publisher, servers_plan, urls

from support.loading import Load, client, under_load
from support.serving import Up, environment, up

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

AWAY_S = 10
SUBJECT = "namespace.armature.component.events.>"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with outside(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory, servers: Outside) -> Iterator[Up]:
    """Two workers behind a router that takes events, on servers that the test stops."""
    root = tmp_path_factory.mktemp("up")
    named = (f"runtime.nats_url={servers.urls['nats']}", f"runtime.etcd_url={servers.urls['etcd']}")
    words = ("agg", "+model=tiny-qwen3", "frontend.port=0", "topology.roles.worker.replicas=2", "topology.router.mode=kv")
    with up(root, root / "cache", *words, "runtime=nats", *named) as running:
        running.wait_event("serving")
        yield running


async def away(servers: Outside, name: str) -> None:
    """Two seconds of peace, then AWAY_S seconds without the server, which is back when this returns."""
    await asyncio.sleep(2)
    servers.stop(name)
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(servers.start, name)


async def until_event(url: str, within_s: float = 15.0) -> float:
    """Seconds until an event of the publisher comes in."""
    began, came = time.monotonic(), asyncio.Event()

    async def take(_message: Any) -> None:
        came.set()

    connection = await nats.connect(url)
    await connection.subscribe(SUBJECT, cb=take)
    async with asyncio.timeout(within_s):
        await came.wait()
    await connection.close()
    return time.monotonic() - began


def instances(running: Up) -> set[int]:
    """The workers that the frontend knows."""
    with urllib.request.urlopen(f"{running.plan['url']}/health", timeout=10) as answer:
        return {i["instance_id"] for i in json.load(answer)["instances"]}


def subscribed(servers: Outside) -> list[str]:
    """What the frontend's connection to NATS asks for."""
    monitor = servers.plan["nats"].ports["monitor"].first
    with urllib.request.urlopen(f"http://127.0.0.1:{monitor}/connz?subs=1", timeout=10) as answer:
        connections = json.load(answer)["connections"]
    return sorted(s for c in connections for s in c.get("subscriptions_list", []) if ".backend.endpoint.generate." in s)


def test_no_request_fails_without_nats_and_events_flow_again(two_workers: Up, servers: Outside) -> None:
    asked_for = subscribed(servers)
    assert asked_for, "the frontend asks for no events"
    worker = next(n for n in two_workers.plan["nodes"] if n["name"] == "worker-0")
    again: list[float] = []

    async def meanwhile(_load: Load) -> None:
        await away(servers, "nats")
        again.append(await until_event(servers.urls["nats"]))
        await asyncio.sleep(3)

    with publisher(os.environ | worker["env"]) as process:
        asyncio.run(until_event(servers.urls["nats"]))
        load = asyncio.run(under_load(two_workers.plan["url"], two_workers.plan["model"], meanwhile))
        assert process.poll() is None
    print(f"{len(load.failed)} of {len(load.asked)} failed; the first event {again[0]:.2f} s after the server was back")
    assert len(load.asked) > 20, "there was hardly any load"
    assert load.failed == []
    assert subscribed(servers) == asked_for


def test_no_request_fails_without_etcd_and_workers_register_again(two_workers: Up, servers: Outside) -> None:
    before = instances(two_workers)

    async def meanwhile(_load: Load) -> None:
        await away(servers, "etcd")
        await asyncio.sleep(3)

    load = asyncio.run(under_load(two_workers.plan["url"], two_workers.plan["model"], meanwhile))
    print(f"{len(load.failed)} of {len(load.asked)} failed")
    assert len(load.asked) > 20, "there was hardly any load"
    assert load.failed == []
    assert instances(two_workers) == before and len(before) == 2
    os.kill(two_workers.wait_event("started", "worker-1")["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 90
    while not instances(two_workers) - before:
        assert time.monotonic() < deadline, "the new worker was never found"
        time.sleep(0.1)
    assert asyncio.run(ask_some(two_workers, 8)) == [4] * 8


async def ask_some(running: Up, count: int) -> list[int]:
    """How many tokens each of `count` requests got."""
    async with client(running.plan["url"]) as api:
        ask: Any = {"model": running.plan["model"], "prompt": [5, 6, 7], "max_tokens": 4, "extra_body": {"ignore_eos": True}}
        answers = await asyncio.gather(*(api.completions.create(**ask) for _ in range(count)))
    return [a.usage.completion_tokens for a in answers if a.usage]


def put(url: str, key: str, value: str) -> None:
    post(f"{url}/v3/kv/put", key=base64.b64encode(key.encode()).decode(), value=base64.b64encode(value.encode()).decode())


def get(url: str, key: str) -> str:
    found = post(f"{url}/v3/kv/range", key=base64.b64encode(key.encode()).decode())
    return base64.b64decode(found["kvs"][0]["value"]).decode()


def post(url: str, **body: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=10) as answer:
        return json.load(answer)


def test_killed_servers_come_back_at_once_with_what_they_kept(tmp_path: Path) -> None:
    plan = servers_plan(tmp_path)
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    at = urls(plan)
    log = plan.run_dir / "events.jsonl"
    command = [sys.executable, "-m", "armature.launch", str(tmp_path / "plan.json")]
    launcher = subprocess.Popen(command, env=environment(tmp_path, tmp_path / "cache"), stdout=subprocess.DEVNULL)

    def events(name: str, node: str) -> list[Any]:
        seen = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")] if log.exists() else []
        return [e for e in seen if e["event"] == name and e["node"] == node]

    def wait_ready(times: int) -> None:
        deadline = time.monotonic() + 30
        while any(len(events("ready", node)) < times for node in SERVERS):
            assert time.monotonic() < deadline and launcher.poll() is None, f"not ready {times} times"
            time.sleep(0.02)

    async def keep() -> None:
        connection = await nats.connect(at["nats"])
        await connection.jetstream().add_stream(name="kept", subjects=["kept.*"])
        await connection.jetstream().publish("kept.one", b"event")
        await connection.close()

    async def kept() -> bytes | None:
        connection = await nats.connect(at["nats"])
        message = await connection.jetstream().get_msg("kept", seq=1)
        await connection.close()
        return message.data

    try:
        wait_ready(1)
        asyncio.run(keep())
        put(at["etcd"], "key", "value")
        for node in SERVERS:
            os.kill(events("started", node)[0]["pid"], signal.SIGKILL)
        wait_ready(2)
        for node in SERVERS:
            took = events("ready", node)[1]["t"] - events("exited", node)[0]["t"]
            print(f"{node}: ready again {took:.2f} s after it was killed")
            assert took < 10
        assert get(at["etcd"], "key") == "value"
        assert asyncio.run(kept()) == b"event"
    finally:
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(30) == 0
