"""The three planes that join processes: discovery (who is there), requests, and events. And where they listen.

The runtime reads most of its settings from the environment of the process, when it starts. `prepare` fills in what is
missing there, so that nothing listens beyond this machine unless the user named an address.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from armature import env
from armature.address import LOOPBACK
from armature.confine import sweep
from armature.confine.reach import at
from armature.errors import UserError, nearest

if TYPE_CHECKING:
    from dynamo.runtime import DistributedRuntime

DISCOVERIES = ("file", "etcd", "kubernetes", "mem")
REQUEST_PLANES = ("tcp", "nats")
EVENT_PLANES = ("zmq", "nats")

# Where the planes listen. The runtime would choose the host's first network interface.
LISTENERS = (env.DYN_TCP_RPC_HOST, env.DYN_TCP_RESPONSE_HOST, env.DYN_EVENT_PLANE_HOST)


@dataclass(frozen=True, slots=True)
class Planes:
    """How processes find and reach each other.

    discovery: file | etcd | kubernetes | mem. request: tcp | nats. event: zmq | nats.
    file_kv: the folder of the file discovery; None: the runtime's own choice below the temporary folder.
    host: the address on which this process takes part in them; other hosts reach it only when this is not loopback.
    host_named: the user named it, so that it goes before addresses in the environment.
    """

    discovery: str = "file"
    request: str = "tcp"
    event: str = "zmq"
    file_kv: Path | None = None
    host: str = LOOPBACK
    host_named: bool = False

    def __post_init__(self) -> None:
        _one_of(self.discovery, DISCOVERIES, "discovery", env.DYN_DISCOVERY)
        _one_of(self.request, REQUEST_PLANES, "request plane", env.DYN_REQUEST_PLANE)
        _one_of(self.event, EVENT_PLANES, "event plane", env.DYN_EVENT_PLANE)


def from_env(environ: Mapping[str, str]) -> Planes:
    """The planes that the environment names; the embedded ones (file, tcp, zmq) where it names none."""
    folder = environ.get(env.DYN_FILE_KV)
    return Planes(
        discovery=environ.get(env.DYN_DISCOVERY) or "file",
        request=environ.get(env.DYN_REQUEST_PLANE) or "tcp",
        event=environ.get(env.DYN_EVENT_PLANE) or "zmq",
        file_kv=Path(folder) if folder else None,
    )


def from_options(options: Namespace, environ: Mapping[str, str]) -> Planes:
    """The planes of the environment with those that command-line options name put over them."""
    base = from_env(environ)
    return Planes(
        discovery=options.discovery or base.discovery,
        request=options.request_plane or base.request,
        event=options.event_plane or base.event,
        file_kv=Path(options.discovery_dir) if options.discovery_dir else base.file_kv,
        host=options.plane_host or base.host,
        host_named=bool(options.plane_host),
    )


def settings(planes: Planes, environ: Mapping[str, str]) -> dict[str, str]:
    """What the runtime must find in its environment for these planes. An address that `environ` already names stays."""
    wanted = {env.DYN_DISCOVERY: planes.discovery, env.DYN_REQUEST_PLANE: planes.request, env.DYN_EVENT_PLANE: planes.event}
    if planes.file_kv is not None:
        wanted[env.DYN_FILE_KV] = str(planes.file_kv)
    for name in LISTENERS:
        wanted[name] = planes.host if planes.host_named else environ.get(name) or planes.host
    return wanted


def prepare(planes: Planes, environ: MutableMapping[str, str]) -> None:
    """Put `settings` into `environ` and make the discovery's folder. Must run before the runtime's first object is made."""
    environ.update(settings(planes, environ))
    if planes.discovery == "file" and planes.file_kv is not None:
        try:
            planes.file_kv.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise UserError(
                f"the folder of file discovery cannot be created: {planes.file_kv}: {e.strerror}",
                where=env.DYN_FILE_KV,
                expected="a folder that this user may write to",
            ) from None


def prepare_system(host: str, port: int | None, environ: MutableMapping[str, str]) -> None:
    """Put the address of this process's system server (/health, /live, /metrics) into `environ`. port: None for no such server."""
    environ[env.DYN_SYSTEM_HOST] = host
    if port is not None:
        environ[env.DYN_SYSTEM_PORT] = str(port)


def keep_reach(planes: Planes, environ: MutableMapping[str, str], hosts: Iterable[str] = (), open_ports: Iterable[int] = ()) -> None:
    """See that this process's listeners, and those of processes that it starts, are reached at the planes' address, at those that
    `environ` names, and at `hosts` only; where the launcher has not seen to it. open_ports: reached from everywhere.

    Call before anything listens. Raises UserError for a name that does not resolve.
    """
    named = {environ[name] for name in env.ADDRESSES if environ.get(name)}
    try:
        sweep.keep(env.REACH, environ, at(sorted({planes.host, *named, *hosts}), open_ports))
    except OSError as e:
        raise UserError(f"an address of this process does not resolve: {e.strerror}", where=f"--plane-host {planes.host}") from None


def connect(planes: Planes) -> DistributedRuntime:
    """Join the planes. Call inside a running event loop, after `prepare`. Raises UserError when a plane does not answer."""
    from dynamo.runtime import DistributedRuntime

    loop = asyncio.get_running_loop()
    try:
        return DistributedRuntime(loop, planes.discovery, planes.request, event_plane=planes.event)
    except Exception as e:
        raise UserError(
            f"the runtime cannot join its planes (discovery {planes.discovery}, requests {planes.request}, events {planes.event}): {e}",
            fix=f"check that the servers of these planes run and that their addresses are right: {env.ETCD_ENDPOINTS}, {env.NATS_SERVER}",
        ) from e


def _one_of(value: str, valid: tuple[str, ...], what: str, variable: str) -> None:
    if value not in valid:
        guess = nearest(value, valid)
        raise UserError(
            f"there is no {what} {value!r}",
            where=variable,
            expected=" | ".join(valid),
            fix=f"did you mean {guess!r}?" if guess else None,
        )
