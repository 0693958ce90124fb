"""Listeners of a node's whole tree take only what comes to the addresses that were meant, from their first moment on."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from armature.confine import bpf, narrow, notify, sweep
from armature.confine.reach import EVERY, LOOPBACK, Reach, at
from armature.env import REACH
from armature.launch.process import NodeProcess
from support.outside import TRIED_S, Outside, outside

OTHER = "127.0.0.2"  # of this host, and not the one that was meant

# Opens a listener in many ways, says its port, and waits for the end of its input. argv: how, the address.
PROGRAM = """
import ctypes, os, socket, subprocess, sys, threading, time
how, address = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
def listen():
    s = socket.socket(family)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if how != "unbound":
        s.bind((address, 0))
    if how == "libc":
        assert ctypes.CDLL(None).listen(s.fileno(), 8) == 0
    else:
        s.listen()
    print(s.getsockname()[1], flush=True)
    time.sleep(60)
if how == "thread":
    threading.Thread(target=listen, daemon=True).start()
elif how == "fork" and os.fork() == 0:
    listen()
elif how == "spawn":
    subprocess.Popen([sys.executable, __file__, "late", address])
elif how == "daemon":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            listen()
        os._exit(0)
elif how == "late":
    time.sleep(0.5)
    listen()
elif how in ("plain", "libc", "unbound"):
    listen()
time.sleep(60)
"""


@pytest.fixture(scope="module")
def there() -> Iterator[Outside]:
    with outside() as found:
        print(f"outside: {found.kind}")
        yield found


def can_supervise() -> str | None:
    """Why the kernel supervises nobody here; None where it does."""
    child = os.fork()
    if child == 0:
        try:
            os.close(notify.install())
        except OSError:
            os._exit(1)
        os._exit(0)
    return "seccomp is refused here" if os.waitpid(child, 0)[1] else notify.why_not(os.getpid())


supervised = pytest.mark.skipif(can_supervise() is not None, reason=f"the kernel does not confine: {can_supervise()}")


class Started:
    """A node that listens. port: where."""

    def __init__(self, root: Path, how: str, address: str, reach: Reach | None) -> None:
        self._root, self._how, self._address, self._reach = root, how, address, reach

    async def __aenter__(self) -> Started:
        program, log = self._root / "program.py", self._root / "log"
        program.write_text(PROGRAM)
        fd = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND)
        argv = [sys.executable, str(program), self._how, self._address]
        self.process = NodeProcess(argv, dict(os.environ), self._root / "tmp", [], fd, "node", self._reach)
        os.close(fd)
        async with asyncio.timeout(30):
            while not (said := log.read_text()).endswith("\n") or not said.split()[-1].isdigit():
                await asyncio.sleep(0.01)
        self.port = int(said.split()[-1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self.process.kill()
        await self.process.gone


def reaches(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=TRIED_S):
            return True
    except OSError:
        return False


@supervised
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
@pytest.mark.parametrize("how", ["plain", "libc", "unbound", "thread", "fork", "spawn", "daemon"])
async def test_whoever_listens_is_heard_here_only(tmp_path: Path, there: Outside, how: str, address: str) -> None:
    async with Started(tmp_path, how, address, at([])) as node:
        assert reaches(LOOPBACK[0], node.port)
        assert reaches(LOOPBACK[1], node.port) == (address == "::")
        assert not reaches(OTHER, node.port)
        assert there.answering([node.port]) == set()


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
async def test_without_it_strangers_are_answered(tmp_path: Path, there: Outside, address: str) -> None:
    """What the tests around this one would not notice, if it did not hold."""
    async with Started(tmp_path, "plain", address, None) as node:
        answering = {host for host, _ in there.answering([node.port])}
        assert answering == {host for host in there.addresses if address == "::" or ":" not in host}


@supervised
async def test_an_open_port_is_open_and_a_named_address_is_answered(tmp_path: Path, there: Outside) -> None:
    async with Started(tmp_path, "plain", "::", at(there.addresses[:1])) as node:
        assert {host for host, _ in there.answering([node.port])} == set(there.addresses[:1])
    async with Started(tmp_path, "plain", "::", Reach(open_ports=tuple(range(1, 65536)))) as node:
        assert {host for host, _ in there.answering([node.port])} == set(there.addresses)


@supervised
async def test_there_is_no_moment_of_exposure(tmp_path: Path) -> None:
    """A thousand listeners one after the other, tried all the time from an address that was not meant."""
    program = tmp_path / "program.py"
    program.write_text(
        "import socket\n"
        "for _ in range(1000):\n"
        "    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        f"    s.bind(('0.0.0.0', {(port := _free_port())})); s.listen(); s.close()\n"
    )
    heard, done = [0], threading.Event()

    def try_it() -> None:
        while not done.is_set():
            with socket.socket() as s:
                s.settimeout(0.002)
                try:
                    s.connect((OTHER, port))
                    heard[0] += 1
                except OSError:
                    continue

    trying = threading.Thread(target=try_it)
    trying.start()
    fd = os.open(os.devnull, os.O_WRONLY)
    process = NodeProcess([sys.executable, str(program)], dict(os.environ), tmp_path / "tmp", [], fd, "node", at([]))
    os.close(fd)
    try:
        assert (await process.ended).ok
    finally:
        done.set()
        trying.join()
    await process.gone
    assert heard == [0]


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@supervised
async def test_a_process_is_told_that_the_kernel_does_it(tmp_path: Path) -> None:
    said = await _said(tmp_path, f"import os; print(os.environ[{REACH!r}])", at([]))
    assert said == "kernel\n"


async def test_where_the_kernel_may_not_processes_are_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter around the guard refuses seccomp(2), as containers do: the node runs, and says what does not hold."""
    _python(monkeypatch, tmp_path, REFUSING)
    code = f"import os; print(os.environ[{REACH!r}])"
    fd = os.open(log := tmp_path / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    process = NodeProcess([PYTHON, "-c", code], dict(os.environ), tmp_path / "tmp", [], fd, "node", at([]))
    os.close(fd)
    assert (await process.ended).ok
    await process.gone
    assert process.facts["unconfined"]
    first, second = log.read_text().splitlines()
    assert first.startswith("guard: the kernel cannot confine") and json.loads(second) == {"addresses": list(LOOPBACK), "open_ports": []}


async def test_without_the_right_to_filters_a_listener_for_this_host_is_bound_to_loopback(
    tmp_path: Path, there: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a user who is not root, on kernels that take filters from CAP_NET_ADMIN only."""
    _python(monkeypatch, tmp_path, WITHOUT_NET_ADMIN)
    async with Started(tmp_path, "plain", "::", at([])) as node:
        assert reaches(LOOPBACK[0], node.port) and reaches(LOOPBACK[1], node.port)
        if there.enter:  # what comes from this host comes by the loopback interface, whatever the address
            assert there.answering([node.port]) == set()


@pytest.mark.parametrize("open_to_others", [False, True])
async def test_without_the_right_to_filters_a_node_says_which_reach_it_cannot_keep(
    tmp_path: Path, there: Outside, monkeypatch: pytest.MonkeyPatch, open_to_others: bool
) -> None:
    _python(monkeypatch, tmp_path, WITHOUT_NET_ADMIN)
    async with Started(tmp_path, "plain", "::", at(there.addresses[:1] if open_to_others else [])) as node:
        assert ("unconfined" in node.process.facts) == (open_to_others and not anybody_may_filter(tmp_path))


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_no_right_to_filters_is_no_error_where_loopback_is_meant(family: socket.AddressFamily, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(bpf, "confine", refuse)
    with socket.socket(family) as s:
        narrow.confine(s, LOOPBACK)
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
        with pytest.raises(PermissionError):
            narrow.confine(s, (*LOOPBACK, "192.0.2.1"))
    assert narrow.why_not(at([])) is None
    assert "CAP_NET_ADMIN" in str(narrow.why_not(Reach((*LOOPBACK, "192.0.2.1"))))
    assert narrow.why_not(Reach(EVERY)) is None


def anybody_may_filter(root: Path) -> bool:
    """Whether this kernel takes filters from processes without CAP_NET_ADMIN."""
    code = "import socket; from armature.confine import bpf; bpf.confine(socket.socket(), ['127.0.0.1'])"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run([str(root / "python"), "-c", code], env=environ, stderr=subprocess.DEVNULL, check=False).returncode == 0


PYTHON = sys.executable
# A Python without CAP_NET_ADMIN, if it had it.
WITHOUT_NET_ADMIN = f"""#!{PYTHON}
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_NET_ADMIN = 24, 12
if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0):
    assert os.geteuid(), "root may drop it"
os.execv({PYTHON!r}, [{PYTHON!r}, *sys.argv[1:]])
"""
# A Python in which seccomp(2) fails with EPERM: a filter of prctl's kind, which cannot ask anybody.
REFUSING = f"""#!{PYTHON}
import ctypes, os, platform, struct, sys
number = {{"x86_64": 317, "aarch64": 277}}[platform.machine()]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))
data = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *s) for s in steps))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Program(len(steps), ctypes.addressof(data)))) == 0
os.execv({PYTHON!r}, [{PYTHON!r}, *sys.argv[1:]])
"""


def _python(monkeypatch: pytest.MonkeyPatch, root: Path, program: str) -> None:
    """Have guards run in this Python."""
    path = root / "python"
    path.write_text(program)
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))


async def _said(root: Path, code: str, reach: Reach) -> str:
    fd = os.open(log := root / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    process = NodeProcess([sys.executable, "-c", code], dict(os.environ), root / "tmp", [], fd, "node", reach)
    os.close(fd)
    await process.ended
    await process.gone
    return log.read_text()


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
def test_a_process_confines_its_own(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as s:
        s.bind((address, 0))
        s.listen()
        port = s.getsockname()[1]
        confined = set[int]()
        before = len(os.listdir("/proc/self/fd"))
        assert port in sweep.sweep(at([]), confined)
        assert port not in sweep.sweep(at([]), confined), "once is enough"
        assert len(os.listdir("/proc/self/fd")) == before
        assert reaches(LOOPBACK[family == socket.AF_INET6], port) and not reaches(OTHER, port)


def test_a_socket_that_does_not_listen_is_left_alone() -> None:
    with socket.socket() as s:
        s.bind(("0.0.0.0", 0))
        assert s.getsockname()[1] not in sweep.sweep(at([]), set())


@pytest.mark.parametrize("how", ["itself", "fork", "child"])
def test_it_goes_on_in_a_process_and_in_those_that_it_starts(how: str) -> None:
    """`keep` in a process of its own; the listener comes later, where `how` says."""
    code = KEEPING.format(how=how, variable=REACH)
    environ = {**{k: v for k, v in os.environ.items() if k != REACH}, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen([sys.executable, "-c", code], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        deadline = time.monotonic() + 10
        while reaches(OTHER, port) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert reaches(LOOPBACK[0], port) and not reaches(OTHER, port)
        process.communicate("")


KEEPING = """
import os, socket, subprocess, sys, time
from armature.confine import sweep
from armature.confine.reach import at
def listen():
    s = socket.socket(); s.bind(("0.0.0.0", 0)); s.listen()
    print(s.getsockname()[1], flush=True)
    sys.stdin.read()
how = {how!r}
if len(sys.argv) > 1:
    sweep.keep_on({variable!r}, os.environ)
    listen()
else:
    sweep.keep({variable!r}, os.environ, at([]))
    if how == "child":
        again = "import os, socket, sys; from armature.confine import sweep; sweep.keep_on('{variable}', os.environ);"
        listening = "s = socket.socket(); s.bind(('0.0.0.0', 0)); s.listen(); print(s.getsockname()[1], flush=True); sys.stdin.read()"
        subprocess.run([sys.executable, "-c", again + listening])
    elif how == "fork":
        if (child := os.fork()) == 0:
            listen()
            os._exit(0)
        os.waitpid(child, 0)
    else:
        listen()
"""


def test_what_the_kernel_does_no_thread_does(monkeypatch: pytest.MonkeyPatch) -> None:
    environ: dict[str, str] = {REACH: "kernel"}
    before: list[Any] = threading.enumerate()
    sweep.keep(REACH, environ, at([]))
    assert threading.enumerate() == before and environ == {REACH: "kernel"}
