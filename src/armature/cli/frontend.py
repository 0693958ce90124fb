"""`armature frontend`: the OpenAI-compatible HTTP server."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING

from armature.cli.options import Parser

if TYPE_CHECKING:
    from armature.runtime.frontend import FrontendOptions

DESCRIPTION = """\
Serve the OpenAI API over HTTP and route requests to the workers that register on the same planes.

The planes come from the environment (DYN_DISCOVERY_BACKEND, DYN_FILE_KV, DYN_REQUEST_PLANE, DYN_EVENT_PLANE); options
override it. ETCD_ENDPOINTS and NATS_SERVER are the servers of planes that have one. SIGTERM or Ctrl-C drains: /health
answers 503, new requests get 503, open streams finish. A second one ends at once.
"""


def parser() -> Parser:
    """The options of `armature frontend`."""
    p = Parser(prog="armature frontend", description=DESCRIPTION)
    p.add_argument("--http-host", default="127.0.0.1", metavar="ADDRESS", help="address to serve on (default: %(default)s)")
    p.add_argument("--http-port", type=int, default=8000, metavar="PORT", help="port to serve on (default: %(default)s)")
    p.add_argument(
        "--router-mode",
        default="round_robin",
        metavar="MODE",
        help="how a worker is chosen: round_robin, random, power_of_two_choices, least_loaded, kv, direct, "
        "device_aware_weighted (default: %(default)s)",
    )
    p.add_argument(
        "--no-kv-events",
        action="store_true",
        help="mode kv: guess what workers have cached from what was sent where (default: they publish it)",
    )
    p.add_argument(
        "--kv-overlap-weight",
        type=float,
        default=4.0,
        metavar="W",
        help="mode kv: what a block to compute counts, where one in use counts 1 (default: %(default)g)",
    )
    p.add_argument(
        "--kv-temperature",
        type=float,
        default=0.0,
        metavar="T",
        help="mode kv: 0 takes the best worker; more spreads requests (default: %(default)g)",
    )
    p.add_argument(
        "--busy-blocks", type=float, metavar="PART", help="part of a worker's KV blocks in use from which on it gets no requests"
    )
    p.add_argument("--busy-prefill-tokens", type=int, metavar="N", help="prompt tokens before a worker from which on it gets no requests")
    p.add_argument(
        "--migration-limit",
        type=int,
        default=0,
        metavar="N",
        help="how often a request may move to another worker when its own dies, or leaves before it answers (default: %(default)s)",
    )
    p.add_argument(
        "--drain-s", type=float, default=30.0, metavar="S", help="seconds for open streams to finish at the end (default: %(default)g)"
    )
    add_plane_options(p)
    return p


def add_plane_options(p: Parser) -> None:
    """The options that name the planes, the same for every process that joins them."""
    group = p.add_argument_group("planes")
    group.add_argument("--discovery", metavar="NAME", help="file | etcd | kubernetes | mem (default: $DYN_DISCOVERY_BACKEND, else file)")
    group.add_argument("--discovery-dir", metavar="DIR", help="folder of the file discovery (default: $DYN_FILE_KV)")
    group.add_argument("--request-plane", metavar="NAME", help="tcp | nats (default: $DYN_REQUEST_PLANE, else tcp)")
    group.add_argument("--event-plane", metavar="NAME", help="zmq | nats (default: $DYN_EVENT_PLANE, else zmq)")
    group.add_argument(
        "--plane-host",
        metavar="ADDRESS",
        help="address of this host on which other processes of the planes reach this one (default: 127.0.0.1, this host only)",
    )


def main(argv: list[str]) -> int:
    """Run the frontend until it is told to stop; returns the exit code."""
    a = parser().parse_args(argv)
    options = read_options(a)

    import uvloop

    from armature.runtime.frontend import run
    from armature.runtime.logs import configure

    configure()
    return uvloop.run(run(options))


def read_options(a: Namespace) -> FrontendOptions:
    """The typed value of parsed options."""
    from armature.runtime.frontend import FrontendOptions
    from armature.runtime.planes import from_options

    return FrontendOptions(
        host=a.http_host,
        port=a.http_port,
        router_mode=a.router_mode,
        kv_events=not a.no_kv_events,
        kv_overlap_weight=a.kv_overlap_weight,
        kv_temperature=a.kv_temperature,
        busy_blocks=a.busy_blocks,
        busy_prefill_tokens=a.busy_prefill_tokens,
        migration_limit=a.migration_limit,
        drain_s=a.drain_s,
        planes=from_options(a, os.environ),
    )
