"""What can be known to go wrong before anything starts."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from armature.errors import UserError
from armature.graph.node import LogProbe, NamedServer
from armature.graph.plan import Plan, PlannedNode, PortBlock
from armature.graph.programs import how_to_install
from armature.launch.servers import no_model, why_not

SUN_PATH = 107  # bytes that a socket's path has at most
_ROOM = 33  # what programs add to TMPDIR, e.g. /pymp-xxxxxxxx/listener-xxxxxxxx


def check(plan: Plan) -> None:
    """Raise UserError for the first thing that cannot work: commands, patterns, the socket folder, ports,
    servers of the user's. Writes nothing."""
    for node in plan.nodes:
        _check_command(node)
        _check_pattern(node)
        _check_tmp(tmp_of(plan, node.name))
    for node in plan.nodes:
        for name, block in node.ports.items():
            _check_ports(node, name, block)
    for server in plan.servers:
        _check_server(server)


def tmp_of(plan: Plan, node: str) -> Path:
    """The node's folder for temporary files and sockets: its TMPDIR."""
    return plan.tmp_dir / node


def node_env(plan: Plan, node: PlannedNode) -> dict[str, str]:
    """The environment of a node: the launcher's, then its TMPDIR, then what the plan says."""
    return {**os.environ, "TMPDIR": str(tmp_of(plan, node.name)), **node.env}


def holder(port: int) -> str | None:
    """The process that listens on `port`, as `pid 12 (python -m http.server)`, if we may know it."""
    import psutil  # it takes 20 ms, and is needed only here

    try:
        pid = next((c.pid for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port and c.status == "LISTEN"), None)
        if pid is None:
            return None
        command = " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return None
    return f"pid {pid} ({command if len(command) <= 120 else command[:117] + '...'})"


def bind_error(host: str, port: int) -> OSError | None:
    """Why a server could not listen on host:port now; None when it could."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: closed connections do not count
            s.bind(address)
    except OSError as e:
        return e
    return None


def _check_command(node: PlannedNode) -> None:
    path: Mapping[str, str] = {**os.environ, **node.env}
    if not node.argv or shutil.which(node.argv[0], path=path.get("PATH")) is None:
        raise UserError(
            f"node {node.name}: there is no program {node.argv[0] if node.argv else ''!r}",
            expected="the path of a program, or a name found in PATH",
            fix=(node.argv and how_to_install(node.argv[0])) or "install it, or plan again in the environment that has it",
        )


def _check_pattern(node: PlannedNode) -> None:
    if isinstance(node.ready, LogProbe):
        try:
            re.compile(node.ready.pattern)
        except re.error as e:
            raise UserError(f"node {node.name}: its log probe {node.ready.pattern!r} is not a regular expression: {e}") from e


def _check_tmp(tmp: Path) -> None:
    if len(os.fsencode(tmp)) + _ROOM > SUN_PATH:
        raise UserError(
            f"the folder for sockets is too long: {tmp}",
            expected=f"at most {SUN_PATH - _ROOM} bytes, because a socket's whole path has {SUN_PATH} at most",
            fix="set TMPDIR to a short folder, e.g. TMPDIR=/tmp",
        )


def _check_ports(node: PlannedNode, name: str, block: PortBlock) -> None:
    for port in range(block.first, block.first + block.count):
        error = bind_error(block.host, port)
        if error is None:
            continue
        by = holder(port) if error.errno == errno.EADDRINUSE else None
        where = f"node {node.name}: port {port} ({name}) on {block.host}"
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"{where} is in use" + (f" by {by}" if by else " by a process that we may not see"), fix=_another(node, name, block)
            )
        raise UserError(f"{where} cannot be had: {error.strerror}", fix=_another(node, name, block))


def _check_server(server: NamedServer) -> None:
    why = no_model(server.url, server.model) if server.kind == "openai" else why_not(server.url)
    if why and server.kind == "openai":
        raise UserError(f"{server.field}={server.url}: the server cannot be measured: {why}", fix="start it, or mend url= or model.name=")
    if why:
        raise UserError(
            f"{server.field}={server.url}: the server cannot be used: {why}",
            fix=f"start it, or mend its address; with {server.field}=null the run starts one of its own",
        )


def _another(node: PlannedNode, name: str, block: PortBlock) -> str:
    if not block.fixed:
        return "run the command again: it chooses other free ports"
    first = block.first + block.count
    free = next((p for p in range(first, min(first + 200, 65536)) if bind_error(block.host, p) is None), None)
    option = f"{node.name}.port" if name == "http" else f"the port {name} of {node.name}"
    return (
        f"choose another: {option}={free or '...'}"
        if name == "http"
        else f"choose another for {option}" + (f", e.g. {free}" if free else "")
    )
