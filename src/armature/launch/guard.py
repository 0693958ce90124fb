"""The guard of one node: a small process between the launcher and the node's command, so that nothing survives the run.

    launcher ── socket ── guard (own session, subreaper) ── main process (own group) ── whatever it starts

The guard reads its order as JSON from standard input:

    argv    the node's command
    tmp     the node's folder for temporary files and sockets: made before the command starts, removed at the end
    fd      the guard's end of a socket; only the launcher holds the other
    before  the names that were in /dev/shm before the run: these are never removed

It writes one JSON object a line to the socket: {"pid"} when the command runs, {"error"} when it cannot be started,
{"shm"} for each file of /dev/shm that its tree has, {"exit"} or {"signal"} as soon as the main process has ended.
It ends when everything below it is dead and what that left is removed.

End of file on the socket means that the launcher wants everything dead, or is dead itself, however it died. Signals
that the guard gets go to the main process. The guard itself cannot be lost quietly: the main process gets SIGKILL
when its guard dies, and the rest becomes the launcher's children.

Run as `python -I -S guard.py NODE`: standard library only, and nothing of the node's environment has a say.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

TYPE_CHECKING = False  # typing's own would have to be imported
if __name__ == "__main__" and not TYPE_CHECKING:  # -I keeps this folder off the path; at its end, its http.py hides nothing
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import tree
else:
    from armature.launch import tree

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
SNAPSHOT_S = 1.0
SNAPSHOT_SHARE = 50  # a snapshot that took t seconds is repeated after 50 t at the earliest: 2 % of a core


class Guard:
    """One node's main process, and all that it starts."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.argv: list[str] = order["argv"]
        self.tmp: str = order["tmp"]
        self.before: list[str] = order["before"]
        self.line = socket.socket(fileno=order["fd"])
        self.line.set_inheritable(False)
        self.shm: set[str] = set()
        self.main = 0
        self.told = False  # how the main process ended

    def run(self) -> None:
        wake = _signals_to_socket()
        os.makedirs(self.tmp, mode=0o700, exist_ok=True)
        if self._start():
            self._watch(wake)
        self._clean()

    def _watch(self, wake: socket.socket) -> None:
        """Return when the main process has ended, or when everything is to be killed."""
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self.line, select.POLLIN | select.POLLRDHUP)
        pause, last = 0.05, time.monotonic()  # soon at first: what a node has when it dies early is seen, too
        while not self._main_ended():
            ready = {fd for fd, _ in poll.poll(max(0.0, last + pause - time.monotonic()) * 1000)}
            if wake.fileno() in ready:
                for number in wake.recv(64):
                    self._forward(number)
            if self.line.fileno() in ready and not self._launcher_lives():
                return
            if (begun := time.monotonic()) >= last + pause:
                self._snapshot()
                last = time.monotonic()
                pause = max(min(SNAPSHOT_S, pause * 2), (last - begun) * SNAPSHOT_SHARE)

    def _start(self) -> bool:
        """Start the command. Signals wait meanwhile, so that none is lost between fork and exec."""
        failed, failing = os.pipe()
        everything = signal.valid_signals()
        signal.pthread_sigmask(signal.SIG_BLOCK, everything)
        guard = os.getpid()
        self.main = os.fork()
        if self.main == 0:
            self._become_main(failing, guard)
        os.close(failing)
        with contextlib.suppress(OSError):
            os.setpgid(self.main, self.main)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, everything)
        with os.fdopen(failed, "rb") as f:
            error = f.read().decode()  # ends when exec closes the pipe
        self._tell(error=error) if error else self._tell(pid=self.main)
        self.told = bool(error)
        return not error

    def _become_main(self, failing: int, guard: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            for number in (*FORWARDED, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)
            tree.prctl(tree.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:  # it died before the line above
                os._exit(125)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
            os.execvp(self.argv[0], self.argv)
        except OSError as e:
            os.write(failing, f"{self.argv[0]}: {e.strerror}".encode())
        os._exit(127)

    def _forward(self, number: int) -> None:
        if number in FORWARDED:
            self._snapshot()  # while what is about to end still has its files
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.main, number)

    def _main_ended(self) -> bool:
        """Reap whoever has ended; tell the launcher if it was the main process."""
        ended = False
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if pid == self.main:
                    ended = self.told = True
                    code = os.waitstatus_to_exitcode(status)
                    self._tell(signal=-code) if code < 0 else self._tell(exit=code)
        return ended

    def _launcher_lives(self) -> bool:
        try:
            return bool(self.line.recv(4096))
        except OSError:
            return False

    def _snapshot(self) -> None:
        now = tree.shm_had(tree.descendants([os.getpid()], tree.processes()))
        if new := now - self.shm:
            self.shm |= new
            self._tell(shm=sorted(new))

    def _clean(self) -> None:
        self._snapshot()
        while not tree.kill_below(os.getpid()):
            print("guard: some processes cannot be killed yet; they hang in the kernel", file=sys.stderr, flush=True)
        if self.main and not self.told:  # killed above
            self._tell(signal=int(signal.SIGKILL))
        tree.remove_shm(self.shm, self.before)
        tree.remove_folder(self.tmp)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self.tmp))  # the last guard of a run whose launcher was killed clears its folder

    def _tell(self, **fact: object) -> None:
        with contextlib.suppress(OSError):  # nobody listens: the launcher is dead
            self.line.sendall(json.dumps(fact).encode() + b"\n", socket.MSG_NOSIGNAL)


def _signals_to_socket() -> socket.socket:
    """A socket on which the number of each signal arrives as a byte."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    for number in (*FORWARDED, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def main() -> None:
    with os.fdopen(0, "rb", closefd=False) as f:
        order = json.load(f)
    tree.prctl(tree.PR_SET_CHILD_SUBREAPER, 1)
    Guard(order).run()


if __name__ == "__main__":
    main()
