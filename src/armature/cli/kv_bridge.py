"""`armature kv-bridge`: durable KV events, from their stream to the router."""

from __future__ import annotations

import os

from armature import env
from armature.cli.frontend import add_plane_options
from armature.cli.options import Parser

DESCRIPTION = """\
Publish KV events to the router from the JetStream stream that workers write (`armature worker --kv-events-durable`).

Routers get all KV events from the bridge. After a restart it rebuilds its state from the stream, and routers rebuild theirs from it.
"""


def parser() -> Parser:
    """The options of `armature kv-bridge`."""
    p = Parser(prog="armature kv-bridge", description=DESCRIPTION)
    p.add_argument(
        "--endpoint", action="append", required=True, metavar="NAME", help="namespace.component.endpoint of the workers; may be repeated"
    )
    p.add_argument("--system-port", type=int, metavar="PORT", help="port of /metrics on 127.0.0.1 (default: none)")
    p.add_argument("--nats-url", metavar="URL", help=f"NATS server with JetStream (default: ${env.NATS_SERVER})")
    add_plane_options(p)
    return p


def main(argv: list[str]) -> int:
    """Run the bridge until it is told to stop; returns the exit code."""
    a = parser().parse_args(argv)

    import uvloop

    from armature.runtime.logs import configure
    from armature.runtime.planes import from_options
    from armature.telemetry.kv_events.bridge_process import BridgeOptions, run

    configure()
    options = BridgeOptions(tuple(a.endpoint), a.nats_url or os.environ.get(env.NATS_SERVER), a.system_port, from_options(a, os.environ))
    return uvloop.run(run(options))
