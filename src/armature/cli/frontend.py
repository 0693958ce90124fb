"""`armature frontend`: the OpenAI-compatible HTTP server."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from armature import memory
from armature.address import LOOPBACK
from armature.cli.options import Parser
from armature.errors import UserError
from armature.limits import BODY_MB
from armature.roles.apis import APIS, TEXT, Api

if TYPE_CHECKING:
    from armature.runtime.frontend import FrontendOptions
    from armature.runtime.standby import Expected

DESCRIPTION = """\
Serve the OpenAI API over HTTP and route requests to the workers that register on the same planes.

The planes come from the environment (DYN_DISCOVERY_BACKEND, DYN_FILE_KV, DYN_REQUEST_PLANE, DYN_EVENT_PLANE); options
override it. ETCD_ENDPOINTS and NATS_SERVER name the servers of planes that need one. SIGTERM or Ctrl-C drains: /health
answers 503, new requests get 503, open streams finish. A second signal exits at once.
"""


def parser() -> Parser:
    """The options of `armature frontend`."""
    p = Parser(prog="armature frontend", description=DESCRIPTION)
    p.add_argument("--http-host", default=LOOPBACK, metavar="ADDRESS", help="address to serve on (default: %(default)s)")
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
        help="mode kv: estimate workers' caches from the requests sent to them (default: workers publish KV events)",
    )
    p.add_argument(
        "--kv-overlap-weight",
        type=float,
        default=4.0,
        metavar="W",
        help="mode kv: cost of computing a block, relative to a block in use (default: %(default)g)",
    )
    p.add_argument(
        "--kv-temperature",
        type=float,
        default=0.0,
        metavar="T",
        help="mode kv: 0 takes the best worker; higher values spread requests (default: %(default)g)",
    )
    p.add_argument(
        "--busy-blocks", type=float, metavar="PART", help="stop routing to a worker that uses at least this share of its KV blocks"
    )
    p.add_argument("--busy-prefill-tokens", type=int, metavar="N", help="stop routing to a worker with this many queued prompt tokens")
    p.add_argument(
        "--migration-limit",
        type=int,
        default=1,
        metavar="N",
        help="how often to resend a request to another worker if its worker dies, is unreachable, or leaves before answering "
        "(default: %(default)s)",
    )
    p.add_argument(
        "--drain-s", type=float, default=30.0, metavar="S", help="seconds for open streams to finish at shutdown (default: %(default)g)"
    )
    p.add_argument(
        "--body-mb",
        type=int,
        default=BODY_MB,
        metavar="MB",
        help="refuse a request whose body is larger, with HTTP 413 (default: %(default)s)",
    )
    p.add_argument(
        "--expect-model", metavar="NAME", help="answer 503, not 404, for this model while no worker serves it; needs --expect-path"
    )
    p.add_argument("--expect-path", type=Path, metavar="DIR", help="folder of that model")
    p.add_argument("--expect-context", type=int, metavar="N", help="context length of that model (default: from its config)")
    p.add_argument(
        "--expect-apis", type=_apis, default=",".join(TEXT), metavar="APIS", help="what that model answers (default: %(default)s)"
    )
    p.add_argument("--admin-routes", action="store_true", help="serve /busy_threshold, which reads and sets the limits above")
    add_plane_options(p)
    return p


def add_plane_options(p: Parser) -> None:
    """The options that name the planes, the same for every process that joins them."""
    group = p.add_argument_group("planes")
    group.add_argument("--discovery", metavar="NAME", help="file | etcd | kubernetes | mem (default: $DYN_DISCOVERY_BACKEND, else file)")
    group.add_argument("--discovery-dir", metavar="DIR", help="folder of file discovery (default: $DYN_FILE_KV)")
    group.add_argument("--request-plane", metavar="NAME", help="tcp | nats (default: $DYN_REQUEST_PLANE, else tcp)")
    group.add_argument("--event-plane", metavar="NAME", help="zmq | nats (default: $DYN_EVENT_PLANE, else zmq)")
    group.add_argument(
        "--plane-host",
        metavar="ADDRESS",
        help="address at which other processes of the planes reach this one (default: 127.0.0.1, this host only)",
    )


def main(argv: list[str]) -> int:
    """Run the frontend until it is told to stop; returns the exit code."""
    a = parser().parse_args(argv)
    options = read_options(a)

    import uvloop

    from armature.runtime.frontend import run
    from armature.runtime.logs import configure

    configure()
    memory.return_large_blocks()
    return uvloop.run(run(options))


def _apis(text: str) -> tuple[Api, ...]:
    known = {str(api): api for api, kind in APIS.items() if kind.path}
    for name in (names := text.split(",")):
        if name not in known:
            raise UserError(f"there is no API {name!r}", where="--expect-apis", expected=", ".join(known))
    return tuple(known[name] for name in names)


def _expected(a: Namespace) -> Expected | None:
    from armature.runtime.standby import Expected

    if a.expect_model is None:
        return None
    if a.expect_path is None:
        raise UserError("the expected model has no folder", where=f"--expect-model {a.expect_model}", fix="add --expect-path DIR")
    return Expected(a.expect_model, a.expect_path, a.expect_context, a.expect_apis)


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
        body_mb=a.body_mb,
        expected=_expected(a),
        admin=a.admin_routes,
        planes=from_options(a, os.environ),
    )
