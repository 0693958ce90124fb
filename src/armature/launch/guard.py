"""The guard of one node: a small process between the launcher and the node's command, so that nothing survives the run.

    launcher ── socket ── guard (own session, subreaper) ── main process (own group) ── whatever it starts

The guard reads its order as JSON from standard input:

    argv    the node's command
    tmp     the node's folder for temporary files and sockets: made before the command starts, removed at the end
    fd      the guard's end of a socket; only the launcher holds the other
    before  the names that were in /dev/shm before the run: these are never removed
    reach   from where the node's listeners may be reached (armature.confine.reach), and the name of the environment variable by
            which a process learns that it must see to that itself; None: from everywhere

It writes one JSON object a line to the socket: {"pid"} when the command runs, {"error"} when it cannot be started,
{"unconfined"} with the reason when the kernel does not let the guard see to the reach of its listeners,
{"shm"} for each file of /dev/shm that its tree has, {"unwritten", "why"} for output that the log did not take, {"exit"} or
{"signal"} as soon as the main process has ended and its output is where it belongs.
The guard's own standard output is the node's log. The node writes into a pipe, and the guard from there into the log: a node whose
disk is full would be told so by each of its writes, and most programs end by that.
It ends when everything below it is dead and what that left is removed.

End of file on the socket means that the launcher wants everything dead, or is dead itself, however it died. Signals
that the guard gets go to the main process. The guard itself cannot be lost quietly: the main process gets SIGKILL
when its guard dies, and the rest becomes the launcher's children.

Run as `python -I -S guard.py NODE`: standard library only, and nothing of the node's environment has a say.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

TYPE_CHECKING = False  # typing's own would have to be imported
if __name__ == "__main__" and not TYPE_CHECKING:  # -I keeps these folders off the path; at its end, launch/http.py hides nothing
    sys.path += [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    import tree
    from confine import narrow, notify
    from confine.reach import BY_KERNEL, Reach
else:
    from armature.confine import narrow, notify
    from armature.confine.reach import BY_KERNEL, Reach
    from armature.launch import tree

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
SHARED = {"discovery"}  # what lies in the run's folder for temporary files and is no node's own
LOG = 1  # the descriptor
CHUNK = 16 * 1024  # of output; a multiple of it goes to the launcher as one line when the log does not take it
PIPE = 1024 * 1024  # what a node may write while the guard is busy
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
        reach: tuple[str, str] | None = order["reach"]
        self.variable = reach[0] if reach else ""
        self.reach = Reach.from_json(reach[1]) if reach else None
        self.listening: notify.Supervisor | None = None
        self.shm: set[str] = set()
        self.main = 0
        self.told = False  # how the main process ended
        self.output, self._input = os.pipe()
        os.set_blocking(self.output, False)
        with contextlib.suppress(OSError):  # more than this user may have: what it is by itself will do
            fcntl.fcntl(self._input, fcntl.F_SETPIPE_SZ, PIPE)

    def run(self) -> None:
        wake = _signals_to_socket()
        if self._make_tmp() and self._start():
            self._watch(wake)
        self._clean()

    def _make_tmp(self) -> bool:
        try:
            os.makedirs(self.tmp, mode=0o700, exist_ok=True)
        except OSError as e:
            self._tell(error=f"its temporary folder {self.tmp} cannot be created: {e.strerror}")
            self.told = True
            return False
        return True

    def _watch(self, wake: socket.socket) -> None:
        """Return when the main process has ended, or when everything is to be killed."""
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self.line, select.POLLIN | select.POLLRDHUP)
        poll.register(self.output, select.POLLIN)
        pause, last = 0.05, time.monotonic()  # soon at first: what a node has when it dies early is seen, too
        if self.listening:
            poll.register(self.listening, select.POLLIN)
        while not self._main_ended():
            ready = dict(poll.poll(max(0.0, last + pause - time.monotonic()) * 1000))
            if wake.fileno() in ready:
                for number in wake.recv(64):
                    self._forward(number)
            if self.listening and ready.get(self.listening.fileno(), 0) & select.POLLIN:
                self.listening.answer()
            if self.output in ready and not self._pass_on():
                poll.unregister(self.output)  # nobody of this node writes any more
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
        ours, theirs = socket.socketpair()
        self.main = os.fork()
        if self.main == 0:
            ours.close()
            self._become_main(failing, guard, theirs)
        os.close(failing)
        os.close(self._input)
        theirs.close()
        if self.reach:
            self.listening = self._supervise(ours, self.reach)
        ours.close()
        with contextlib.suppress(OSError):
            os.setpgid(self.main, self.main)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, everything)
        with os.fdopen(failed, "rb") as f:
            error = f.read().decode()  # ends when exec closes the pipe
        self._tell(error=error) if error else self._tell(pid=self.main)
        self.told = bool(error)
        return not error

    def _supervise(self, child: socket.socket, reach: Reach) -> notify.Supervisor | None:
        """Agree with the child on who confines its listeners: the kernel, where that may be."""
        refused = notify.why_not(self.main) or narrow.why_not(reach)
        said, fds = b"it ended at once", list[int]()
        with contextlib.suppress(OSError):  # it is dead
            child.sendall(b"0" if refused else b"1")
            said, fds, _, _ = socket.recv_fds(child, 4096, 1)
        if fds:
            return notify.Supervisor(fds[0], reach)
        reason = refused or said.decode()
        print(f"guard: the kernel cannot confine this node's listeners ({reason}): its processes try to, once they listen", flush=True)
        self._tell(unconfined=reason)
        return None

    def _be_supervised(self, guard: socket.socket, reach: Reach) -> None:
        os.environ[self.variable] = reach.to_json()
        if guard.recv(1) != b"1":
            guard.sendall(b"the guard may not")
            return
        try:
            fd = notify.install()
        except OSError as e:
            guard.sendall(str(e.strerror).encode())
            return
        socket.send_fds(guard, [b"1"], [fd])
        os.close(fd)
        os.environ[self.variable] = BY_KERNEL

    def _become_main(self, failing: int, guard: int, agreeing: socket.socket) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            for number in (*FORWARDED, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)
            tree.prctl(tree.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:  # it died before the line above
                os._exit(125)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(self._input, 1)
            os.dup2(self._input, 2)
            if self.reach:
                self._be_supervised(agreeing, self.reach)
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
                    self._pass_on()
                    ended = self.told = True
                    code = os.waitstatus_to_exitcode(status)
                    self._tell(signal=-code) if code < 0 else self._tell(exit=code)
        return ended

    def _pass_on(self) -> bool:
        """Take the node's output to its log; False when there will be none any more. What the log does not take, the launcher gets."""
        for _ in range(2 * PIPE // CHUNK):  # a node that never stops writing must not keep the guard from all else
            try:
                data = os.read(self.output, CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            try:
                while data:
                    data = data[os.write(LOG, data) :]
            except OSError as e:
                self._tell(unwritten=data.decode("latin-1"), why=e.strerror)
        return True

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
            with contextlib.suppress(OSError):  # the log's disk may be full
                print("guard: some processes hang in the kernel and cannot be killed yet", file=sys.stderr, flush=True)
        self._pass_on()
        if self.main and not self.told:  # killed above
            self._tell(signal=int(signal.SIGKILL))
        tree.remove_shm(self.shm, self.before)
        tree.remove_folder(self.tmp)
        run = os.path.dirname(self.tmp)
        with contextlib.suppress(OSError):
            if set(os.listdir(run)) <= SHARED:  # the last guard of a run whose launcher was killed clears its folder
                tree.remove_folder(run)

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
