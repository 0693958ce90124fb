"""One node as running processes: its guard, started and listened to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from armature.confine.reach import Reach
from armature.env import REACH
from armature.launch import tree
from armature.launch.ending import Ending, signal_name

GUARD = Path(__file__).with_name("guard.py")
_KILL_S = 15.0  # for a guard to kill and clear everything, before the launcher goes on without it


class NodeProcess:
    """A node's guard and what is below it.

    pid: of the main process; None until it runs. reach: from where its listeners may be reached; None: from everywhere.
    facts: what else its guard said before it ran; unconfined: why the kernel does not see to the reach.
    ended: how the main process ended, as soon as it did.
    gone: done when nothing of the node is left, neither processes nor files.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        tmp: Path,
        shm_before: Sequence[str],
        log_fd: int,
        name: str,
        reach: Reach | None = None,
        on_unwritten: Callable[[bytes, str], object] = lambda data, why: None,
    ) -> None:
        """on_unwritten: called with output that `log_fd` did not take, and why."""
        self._on_unwritten = on_unwritten
        loop = asyncio.get_running_loop()
        self.pid: int | None = None
        self.facts: dict[str, str] = {}
        self.running: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[Ending] = loop.create_future()
        self._tmp, self._before, self._shm = tmp, shm_before, set[str]()
        self._orphans = set[tuple[int, int]]()
        self._ours, theirs = socket.socketpair()
        order = {"argv": list(argv), "tmp": str(tmp), "before": list(shm_before), "fd": theirs.fileno()}
        order["reach"] = [REACH, reach.to_json()] if reach else None
        stdin = os.memfd_create("order")
        try:
            os.write(stdin, json.dumps(order).encode())
            os.lseek(stdin, 0, os.SEEK_SET)
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), name],
                env=dict(env),
                stdin=stdin,
                stdout=log_fd,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a terminal's Ctrl-C is for the launcher alone
            )
        finally:
            os.close(stdin)
            theirs.close()
        self.gone: asyncio.Task[None] = loop.create_task(self._listen())

    async def stop(self, drain_s: float) -> bool:
        """SIGTERM, `drain_s` seconds to end, then SIGKILL to all. Returns whether it ended by itself."""
        if not self.ended.done():
            self.terminate()
            await asyncio.wait({self.ended}, timeout=drain_s)
        clean = self.ended.done()
        if not clean:
            self.kill()
        await asyncio.wait({self.gone}, timeout=_KILL_S)
        return clean

    def terminate(self) -> None:
        """SIGTERM to the main process, by way of the guard."""
        self._guard.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to everything: the guard does that when nothing more can come from us."""
        with contextlib.suppress(OSError):  # the guard is gone
            self._ours.shutdown(socket.SHUT_WR)

    async def _listen(self) -> None:
        self._ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=self._ours, limit=1 << 20)
        try:
            while line := await reader.readline():
                self._hear(json.loads(line))
        except (OSError, ValueError):
            pass  # it died in the middle of a word
        while self._guard.poll() is None:  # its end of the socket is closed, so it is about to end
            await asyncio.sleep(0.002)
        if not self.ended.done() or self._guard.returncode != 0:
            await asyncio.to_thread(self._sweep)
        if not self.running.done():
            self.running.cancel()
        if not self.ended.done():
            self.ended.set_result(Ending(error=f"its guard ended first ({_returned(self._guard.returncode)})"))
        writer.close()

    def _hear(self, fact: dict[str, Any]) -> None:
        match fact:
            case {"pid": int(pid)}:
                self.pid = pid
                self.running.set_result(pid)
            case {"unconfined": str(why)}:
                self.facts["unconfined"] = why
            case {"shm": list(paths)}:
                self._shm |= set(paths)
            case {"unwritten": str(data), "why": str(why)}:
                self._on_unwritten(data.encode("latin-1"), why)
            case {"error": str(error)}:
                self.ended.set_result(Ending(error=f"cannot be started: {error}"))
            case {"exit": int(code)}:
                self.ended.set_result(Ending(exit_code=code))
            case {"signal": int(number)}:
                self.ended.set_result(Ending(signal=number))

    def _sweep(self) -> None:
        """Do what the guard did not live to do. What was below it is now below us, as we are a subreaper, too."""
        self._shm |= tree.shm_had(self._left())
        tree.kill_found(self._left)
        tree.remove_shm(self._shm, self._before)
        tree.remove_folder(str(self._tmp))

    def _left(self) -> set[int]:
        """Processes below us that were this node's: of its session, or with its TMPDIR, and all below these."""
        table = tree.processes()
        mark = f"TMPDIR={self._tmp}".encode()
        below = tree.descendants([os.getpid()], table)
        own = {
            pid
            for pid in below
            if (pid, table[pid].started) in self._orphans or table[pid].session == self._guard.pid or mark in _environ(pid)
        }
        own |= tree.descendants(own, table)
        self._orphans |= {(pid, table[pid].started) for pid in own}  # a dying process has no environment, and files still
        return own


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _returned(code: int) -> str:
    return signal_name(-code) if code < 0 else f"exit code {code}"
