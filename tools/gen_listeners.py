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

Generated from `armature.launch.listeners`: change it there. A test walks the processes of every topology and fails for a listener
that is not here. `benchmarks/listeners` prints what the walk found.

The guard of each node confines every listener of its process tree to loopback and to the addresses that the configuration names. The
kernel holds each `listen` call until the filter is on: for every library, for IPv4 and IPv6, at any time
([decision 9](../decisions/0009-listeners.md)). Other hosts reach nothing, unless a setting of the last
column names an address of a network.

**Loopback is open to every user of the host.** On a host that you share, another user can read KV caches from mooncake's port and
connect to the planes. Run there in a container or a network namespace of your own.

What is joined by files in a folder of mode 0700 has no port: SGLang's sockets between its processes, whose messages are pickles (with
DP attention, too); where ranks find each other; a worker's commands.

Where the kernel refuses (containers without `pidfd_getfd`; add `--cap-add SYS_PTRACE`), the node's log and its event `started` say
`unconfined`. Our own processes then confine their listeners themselves, at most a second after they open.
Some kernels let only holders of CAP_NET_ADMIN filter what a socket takes. Without it, listeners that are meant for this host are bound to
the loopback interface instead; a node that other hosts should reach says `unconfined`, and its listeners answer on every interface.
"""


def row(d: Declared) -> str:
    node = d.node.replace("|", ", ")
    process = d.process.removesuffix(".*").replace("\\", "")
    opened = f"`{d.open_if}`" if d.open_if else "never"
    return f"| {node} | {process} | {d.port or 'chosen by the library'} | {d.what} | {d.carries} | {opened} |"


def markdown() -> str:
    lines = ["| node | process | port | what it is | what comes over it | other hosts reach it by |", "|---|---|---|---|---|---|"]
    return "\n".join([HEAD, *lines, *map(row, DECLARED)]) + "\n"


if __name__ == "__main__":
    sys.exit(bring_up_to_date({FILE: markdown()}, Path(__file__)))
