"""A process that confines its own listeners, soon after they are opened.

For where nobody supervises (`armature worker` by hand), and where the kernel lets nobody (see `notify`). A listener is then open to all
for some milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping

from . import narrow
from .reach import BY_KERNEL, Reach

FIRST_S, LONGEST_S = 0.01, 1.0
_NAME = "confine"  # of the thread


def keep(variable: str, environ: MutableMapping[str, str], reach: Reach) -> None:
    """Confine the listeners of this process from now on, and those of its forks, to `reach`; unless its supervisor has left word
    in `variable` that the kernel does it, or what it should be instead. Processes that this one starts find the same there."""
    environ.setdefault(variable, reach.to_json())
    keep_on(variable, environ)


def keep_on(variable: str, environ: Mapping[str, str]) -> None:
    """As `keep`, in a process that another one has started, which has left word. Twice in a process is once."""
    told = environ.get(variable, BY_KERNEL)
    if told == BY_KERNEL or any(thread.name == _NAME for thread in threading.enumerate()):
        return
    reach = Reach.from_json(told)

    def begin() -> None:
        threading.Thread(target=_keep, args=(reach,), name=_NAME, daemon=True).start()

    begin()
    os.register_at_fork(after_in_child=begin)


def _keep(reach: Reach) -> None:
    pause, confined = FIRST_S, set[int]()
    while True:
        new = sweep(reach, confined)
        pause = FIRST_S if new else min(pause * 2, LONGEST_S)
        time.sleep(pause)


def sweep(reach: Reach, confined: set[int]) -> list[int]:
    """Confine each listener of this process that is not confined yet; returns their ports.

    confined: the inodes of those that are; gets the new ones.
    """
    ports, seen = [], set[int]()
    for sock in own_sockets():
        with contextlib.suppress(OSError):  # closed since
            inode = os.fstat(sock.fileno()).st_ino
            seen.add(inode)
            address, port = sock.getsockname()[:2]
            if inode not in confined and listens(sock) and (limits := reach.limits(address, port)):
                narrow.confine(sock, limits)
                confined.add(inode)
                ports.append(port)
    confined &= seen  # an inode's number comes again
    return ports


def own_sockets() -> Iterator[socket.socket]:
    """Each TCP socket of this process, as a duplicate that shares its options and is closed when the next one is asked for."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # closed since the listing
        with sock:
            if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
                yield sock


def listens(sock: socket.socket) -> bool:
    """Whether connections can be made to it."""
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
