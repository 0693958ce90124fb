"""What can be known to go wrong before anything starts, all of it said at once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from armature.address import LOOPBACK, is_literal, parse_url
from armature.binding import Found, bind_error, held_by, in_use, look_up
from armature.errors import UserError
from armature.graph.node import LogProbe, NamedHost, NamedServer
from armature.graph.plan import Plan, PlannedNode, PortBlock
from armature.graph.programs import how_to_install
from armature.launch.requirements import missing
from armature.launch.servers import no_model, why_not

SUN_PATH = 107  # bytes that a socket's path has at most
_ROOM = 33  # what programs add to TMPDIR, e.g. /pymp-xxxxxxxx/listener-xxxxxxxx
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check(plan: Plan) -> None:
    """Raise UserError with everything that cannot work: programs, modules, libraries, patterns, the socket folder, hosts,
    ports, servers of the user's. Writes nothing."""
    if problems := list(_problems(plan)):
        raise together(problems)


def together(problems: Sequence[UserError]) -> UserError:
    """Several errors as one; a single one as it is."""
    if len(problems) == 1:
        return problems[0]
    fixes = list(dict.fromkeys(p.fix for p in problems if p.fix))
    what = "\n".join([f"{len(problems)} problems; nothing was started:", *(f"  - {p.what}" for p in problems)])
    return UserError(what, fix="\n       ".join(fixes) or None)


def _problems(plan: Plan) -> Iterator[UserError]:
    for node in plan.nodes:
        yield from _check_programs(node)
        yield from _check_pattern(node)
    yield from missing(plan.nodes, lambda node: node_env(plan, node))
    if plan.nodes:
        yield from _check_tmp(max((tmp_of(plan, node.name) for node in plan.nodes), key=lambda tmp: len(os.fsencode(tmp))))
    named = _hosts(plan)
    found = look_ups(host.host for host in named)
    unusable = {host: error for host in named if (error := _check_host(host, found[host.host]))}
    yield from unusable.values()
    # Advice about ports, or about a server, helps nobody whose host is at fault.
    bad = {host.host for host in unusable}
    for node in plan.nodes:
        for name, block in node.ports.items():
            if block.host not in bad:
                yield from _check_ports(node, name, block, found[block.host])
    for server in plan.servers:
        if server.field not in {host.field for host in unusable}:
            yield from _check_server(server)


def _hosts(plan: Plan) -> list[NamedHost]:
    """Every host of the plan once for each field that names it: those of nodes, of ports that no field explains, of servers."""
    named = [host for node in plan.nodes for host in node.requires.hosts]
    known = {host.host for host in named}
    named += [
        NamedHost(field=f"the host of {node.name}.{name}", host=block.host)
        for node in plan.nodes
        for name, block in node.ports.items()
        if block.host not in known
    ]
    for server in plan.servers:
        port = _DEFAULT_PORTS.get(server.url.partition(":")[0])
        named.append(NamedHost(field=server.field, host=parse_url(server.url, port).host, listens=False))
    return list({(host.field, host.host): host for host in named}.values())


def look_ups(hosts: Iterable[str]) -> dict[str, Found]:
    """Each host looked up once; names at the same time, as a resolver that does not answer takes its time for each."""
    distinct = list(dict.fromkeys(hosts))
    names = [host for host in distinct if not is_literal(host)]
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        found = dict(zip(names, pool.map(look_up, names), strict=True))
    return {host: found.get(host) or look_up(host) for host in distinct}


def tmp_of(plan: Plan, node: str) -> Path:
    """The node's folder for temporary files and sockets: its TMPDIR."""
    return plan.tmp_dir / node


def node_env(plan: Plan, node: PlannedNode) -> dict[str, str]:
    """The environment of a node: the launcher's, then its TMPDIR, then what the plan says."""
    return {**os.environ, "TMPDIR": str(tmp_of(plan, node.name)), **node.env}


def _check_programs(node: PlannedNode) -> Iterator[UserError]:
    path: Mapping[str, str] = {**os.environ, **node.env}
    for program in (node.argv[0] if node.argv else "", *node.requires.programs):
        if shutil.which(program, path=path.get("PATH")) is None:
            yield UserError(
                f"node {node.name}: there is no program {program!r}",
                expected="the path of a program, or a name found in PATH",
                fix=how_to_install(program) or "install it, or plan again in an environment that has it",
            )


def _check_pattern(node: PlannedNode) -> Iterator[UserError]:
    if isinstance(node.ready, LogProbe):
        try:
            re.compile(node.ready.pattern)
        except re.error as e:
            yield UserError(f"node {node.name}: its log probe {node.ready.pattern!r} is not a regular expression: {e}")


def _check_tmp(tmp: Path) -> Iterator[UserError]:
    if len(os.fsencode(tmp)) + _ROOM > SUN_PATH:
        yield UserError(
            f"the path of the folder for sockets is too long: {tmp}",
            expected=f"at most {SUN_PATH - _ROOM} bytes, because a socket's path is limited to {SUN_PATH}",
            fix="set TMPDIR to a short folder, e.g. TMPDIR=/tmp",
        )


def _check_host(named: NamedHost, at: Found) -> UserError | None:
    where = f"{named.field}={named.host}"
    if at.error:
        return UserError(f"{where}: the name cannot be resolved: {at.error}", fix="correct the name, or give an address")
    error = bind_error(at, 0) if named.listens else None
    if error is None:
        return None
    return UserError(
        f"{where}: this machine cannot listen there: {error.strerror}",
        expected="an address of this machine",
        fix=f"{named.field}={LOOPBACK} (this machine only), or another of its addresses",
    )


def _check_ports(node: PlannedNode, name: str, block: PortBlock, at: Found) -> Iterator[UserError]:
    for port in range(block.first, block.first + block.count):
        error = bind_error(at, port)
        if error is None:
            continue
        where = f"node {node.name}: port {port} ({name}) on {block.host}"
        if in_use(error):
            yield UserError(f"{where} is in use{held_by(port) or ' by a process of another user'}", fix=_another(node, name, block, at))
        else:
            yield UserError(f"{where} cannot be bound: {error.strerror}", fix=_another(node, name, block, at))


def _check_server(server: NamedServer) -> Iterator[UserError]:
    why = no_model(server.url, server.model) if server.kind == "openai" else why_not(server.url)
    if why and server.kind == "openai":
        yield UserError(
            f"{server.field}={server.url}: the server cannot be measured: {why}", fix="start it, or correct url= or model.name="
        )
    elif why:
        yield UserError(
            f"{server.field}={server.url}: the server cannot be used: {why}",
            fix=f"start it, or correct its address; with {server.field}=null the run starts its own",
        )


def _another(node: PlannedNode, name: str, block: PortBlock, at: Found) -> str:
    if not block.fixed:
        return "run the command again: it chooses other free ports"
    first = block.first + block.count
    free = next((p for p in range(first, min(first + 200, 65536)) if bind_error(at, p) is None), None)
    option = f"{node.name}.port" if name == "http" else f"the port {name} of {node.name}"
    return (
        f"choose another: {option}={free or '...'}"
        if name == "http"
        else f"choose another for {option}" + (f", e.g. {free}" if free else "")
    )
