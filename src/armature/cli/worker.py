"""`armature worker ROLE`: one engine process, joined to the runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from armature import env, roles
from armature.address import LOOPBACK
from armature.cli.frontend import add_plane_options
from armature.cli.options import Parser
from armature.errors import UserError, problems
from armature.limits import RequestLimits

if TYPE_CHECKING:
    from armature.worker.lifecycle import ServeOptions
    from armature.worker.roles.base import WorkerSettings

DESCRIPTION = """\
Serve one model from one engine. The frontend finds it through the planes.

Options that are not listed here are passed to SGLang (`--max-total-tokens 8192`); unknown ones are refused.
The worker registers once the engine has generated its first token. On shutdown it unregisters first.
--system-port serves /health (200 only while registered), /live and /metrics.
SIGTERM or Ctrl-C drains: requests in flight finish. A second signal exits at once.
"""


def parser() -> Parser:
    """The options of `armature worker` itself; native SGLang flags are not among them."""
    p = Parser(prog="armature worker", description=DESCRIPTION)
    p.add_argument("role", metavar="ROLE", help=" | ".join(f"{role.name}: {role.summary}" for role in roles.every()))
    p.add_argument("--model-path", required=True, metavar="DIR", help="folder of the model: weights, config, tokenizer")
    p.add_argument("--served-model-name", metavar="NAME", help="model name that clients use (default: the folder's name)")
    p.add_argument(
        "--endpoint",
        default="dynamo.backend.generate",
        metavar="NAME",
        help="namespace.component.endpoint to register as (default: %(default)s)",
    )
    p.add_argument(
        "--system-port", type=int, metavar="PORT", help="port of /health, /live and /metrics (default: $DYN_SYSTEM_PORT, else none)"
    )
    p.add_argument("--system-host", default=LOOPBACK, metavar="ADDRESS", help="address of that port (default: %(default)s)")
    p.add_argument(
        "--egress",
        default="push",
        metavar="WAY",
        help="how chunks reach the runtime: push (the worker sends each) | pull (the runtime asks for each) (default: %(default)s)",
    )
    p.add_argument("--tool-call-parser", metavar="NAME", help="the frontend's parser for tool calls in the output")
    p.add_argument("--reasoning-parser", metavar="NAME", help="the frontend's parser for reasoning in the output")
    p.add_argument(
        "--drain-s",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds for requests in flight to finish at shutdown (default: %(default)g)",
    )
    p.add_argument(
        "--check-s",
        type=float,
        default=10.0,
        metavar="S",
        help="end the worker if an engine rank is silent for S seconds; stop new requests after half of that; 0: never "
        "(default: %(default)g)",
    )
    p.add_argument(
        "--kv-events-durable",
        action="store_true",
        help=f"write KV events into a JetStream stream of ${env.NATS_SERVER}, from which `armature kv-bridge` publishes them "
        "(default: directly to the router)",
    )
    p.add_argument(
        "--publish-load",
        action="store_true",
        help="publish the load of the ranks to routers over the event plane (default: routers estimate it)",
    )
    p.add_argument(
        "--request-limits",
        type=_limits,
        default="{}",
        metavar="JSON",
        help='request limits that override the defaults, such as {"stop_strings": 4}; see `requests` in docs/reference/config.md',
    )
    group = p.add_argument_group("commands (docs/decisions/0008-control.md)")
    group.add_argument(
        "--control", action="append", default=[], metavar="ROUTE", help="a command to accept, or `all`; may be repeated (default: none)"
    )
    group.add_argument("--control-folder", type=Path, metavar="DIR", help="folder of the socket and token, closed to other users")
    group.add_argument("--control-writes", type=Path, metavar="DIR", help="commands may write only below this folder (default: nowhere)")
    add_plane_options(p)
    return p


def _limits(text: str) -> RequestLimits:
    try:
        return RequestLimits.model_validate_json(text)
    except ValidationError as e:
        raise UserError(
            f"--request-limits: {problems(e, 'JSON')}",
            where="the worker's command line",
            expected=f"a JSON object with some of: {', '.join(RequestLimits.model_fields)}",
        ) from None


def main(argv: list[str]) -> int:
    """Run a worker until it is told to stop; returns the exit code."""
    settings, options, role = read(argv)

    from armature.runtime.logs import configure
    from armature.worker.main import run

    configure()
    return run(role, settings, options)


def read(argv: list[str]) -> tuple[WorkerSettings, ServeOptions, str]:
    """The typed values of the words, and the role's name. Words that are no option of ours become the engine's."""
    a, native = parser().parse_known_args(argv)
    if a.control and a.control_folder is None:
        raise UserError("--control needs a folder for its socket and its token", fix="add --control-folder DIR")

    from armature.runtime.egress import check_egress
    from armature.runtime.endpoint import check_name
    from armature.runtime.planes import from_options
    from armature.telemetry.kv_events.durable import Component
    from armature.worker.control.server import ControlOptions
    from armature.worker.kv_events import DurableEvents
    from armature.worker.lifecycle import ServeOptions
    from armature.worker.roles.base import WorkerSettings

    endpoint = check_name(a.endpoint)
    component = Component(*endpoint.split(".")[:2])
    model_path = Path(a.model_path)
    settings = WorkerSettings(
        model_path=model_path,
        model_name=a.served_model_name or model_path.name,
        engine_args=tuple(native),
        endpoint=endpoint,
        publish_load=a.publish_load,
        tool_call_parser=a.tool_call_parser,
        reasoning_parser=a.reasoning_parser,
        limits=a.request_limits,
        commands_write=a.control_writes,
        durable_events=DurableEvents(os.environ.get(env.NATS_SERVER), component) if a.kv_events_durable else None,
    )
    options = ServeOptions(
        endpoint=a.endpoint,
        egress=check_egress(a.egress),
        drain_s=a.drain_s,
        check_s=a.check_s,
        system_host=a.system_host,
        system_port=a.system_port if a.system_port is not None else _system_port(),
        planes=from_options(a, os.environ),
        control=ControlOptions(tuple(a.control), a.control_folder) if a.control else None,
    )
    return settings, options, a.role


def _system_port() -> int | None:
    text = os.environ.get(env.DYN_SYSTEM_PORT, "")
    return int(text) if text.isdigit() else None
