"""Writes docs/reference/listeners.md from the list of listeners.

`python tools/gen_listeners.py` rewrites it; `--check` fails with a diff when it is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from armature.launch.listeners import DECLARED, Declared
from generated import bring_up_to_date

FILE = Path(__file__).absolute().parents[1] / "docs" / "reference" / "listeners.md"

HEAD = """\
# Listeners

Generated from `armature.launch.listeners`: edit that, not this page. A test walks the processes of every topology and fails if a
listener is missing here. `benchmarks/listeners` prints the listeners that it found.

The guard of each node confines every listener of its process tree to loopback and the configured addresses. The kernel holds each `listen`
call until the filter is attached: for every library, for IPv4 and IPv6, at any time ([decision 9](../decisions/0009-listeners.md)). Other
hosts reach a listener only if the setting in the last column is a network address.

**Loopback is open to every user of the host.** On a shared host, another user can read KV caches from mooncake's port and connect to the
planes. There, run Armature in your own container or network namespace.

These connections use files in a folder of mode 0700 instead of ports: SGLang's sockets between its processes, whose messages are pickles
(also with DP attention); the rendezvous of ranks; a worker's commands.

If the kernel refuses the filter (containers without `pidfd_getfd`; add `--cap-add SYS_PTRACE`), the node's log and its event `started` say
`unconfined`. Armature's own processes then confine their listeners themselves, at most a second after they open.
On some kernels only processes with CAP_NET_ADMIN may attach a socket filter. Without it, listeners for this host are bound to the loopback
interface instead. A node that other hosts should reach says `unconfined`, and its listeners answer on every interface.
"""


def row(d: Declared) -> str:
    node = d.node.replace("|", ", ")
    process = d.process.removesuffix(".*").replace("\\", "")
    opened = f"`{d.open_if}`" if d.open_if else "never"
    return f"| {node} | {process} | {d.port or 'chosen by the library'} | {d.what} | {d.carries} | {opened} |"


def markdown() -> str:
    lines = ["| node | process | port | purpose | data | other hosts reach it with |", "|---|---|---|---|---|---|"]
    return "\n".join([HEAD, *lines, *map(row, DECLARED)]) + "\n"


if __name__ == "__main__":
    sys.exit(bring_up_to_date({FILE: markdown()}, Path(__file__)))
