"""Workers: one service for each replica of each group of the topology."""

from __future__ import annotations

import json
from collections.abc import Mapping

from armature import address, env
from armature.address import LOOPBACK
from armature.config.engine_section import EngineArg
from armature.config.flags import to_argv
from armature.config.modelref import ModelSource
from armature.config.schema import Deployment
from armature.config.topology import Disaggregation, RoleGroup
from armature.graph.node import HttpProbe, NamedHost, Node, PortRequest, Requires, StopPolicy
from armature.graph.rules.common import armature_argv, control_folder, model_folder, plane_env, port_of, restart_policy, url_at
from armature.packages import DEFAULT_TRANSFER, DRIVER, TRANSFERS
from armature.roles.kind import RoleKind


def endpoint_of(deployment: Deployment, kind: RoleKind) -> str:
    """The name in the runtime under which workers of a role are found."""
    return f"{deployment.runtime.namespace}.{kind.component}.generate"


def worker_nodes(deployment: Deployment, source: ModelSource, needs: tuple[str, ...]) -> tuple[Node, ...]:
    """All workers. Replicas of a group are called GROUP-0, GROUP-1, ..."""
    return tuple(
        _worker(deployment, source, group, role, replica, needs)
        for group, role in deployment.topology.roles.items()
        for replica in range(role.replicas)
    )


def _worker(deployment: Deployment, source: ModelSource, group: str, role: RoleGroup, replica: int, needs: tuple[str, ...]) -> Node:
    name = f"{group}-{replica}"
    model, settings = deployment.model, deployment.worker
    parsers = [
        word
        for flag, value in (("--tool-call-parser", model.tool_call_parser), ("--reasoning-parser", model.reasoning_parser))
        if value
        for word in (flag, value)
    ]
    own = (
        "--model-path",
        model_folder(source),
        "--served-model-name",
        model.served_name,
        "--endpoint",
        endpoint_of(deployment, role.kind),
        "--system-port",
        port_of(name, "system"),
        "--egress",
        settings.egress,
        "--drain-s",
        f"{settings.drain_s:g}",
        "--check-s",
        f"{settings.check_s:g}",
        *parsers,
        *(("--request-limits", json.dumps(limits)) if (limits := deployment.requests.changed()) else ()),
        *(("--publish-load",) if deployment.publishes_load else ()),
        *_control(deployment, role, name),
    )
    native = _native_args(deployment, group)
    publishes = deployment.publishes_kv_events(group)
    on_cpu = deployment.hardware.device == "cpu"
    shared = None if on_cpu or role.share_gpus_with is None else f"{role.share_gpus_with}-{replica}"
    leg = role.kind.hands_over
    meet = ["--host", deployment.disaggregation.host] if leg else []
    if role.kind.handover == "sends":
        meet += ["--disaggregation-bootstrap-port", port_of(name, "bootstrap")]
    return Node(
        name=name,
        kind="service",
        label=role.role,
        argv=armature_argv(
            "worker",
            role.role,
            *own,
            *to_argv(native),
            *_rendezvous(native, name),
            *meet,
            *_kv_events(publishes, deployment.runtime.events_durable, name),
        ),
        env=plane_env(deployment)
        | ({env.SGLANG_CPU: "1"} if on_cpu else {})
        | (_leg_env(deployment.disaggregation) if leg else {})
        | deployment.worker_env(group),
        # Engines on one GPU start in turn: each takes its share of the memory that it finds.
        needs=(*needs, *((shared,) if shared else ())),
        ports=(PortRequest(name="system"), PortRequest(name="nccl"), *_more_ports(deployment, role, native, publishes)),
        gpus=0 if on_cpu or role.share_gpus_with else role.gpus,
        gpus_of=shared,
        cores=role.cores,
        ready=HttpProbe(url=url_at(name, "system", "/health"), timeout_s=settings.start_timeout_s),
        stop=StopPolicy(drain_s=settings.drain_s + 15.0),  # the engine's own end comes after the drain
        restart=restart_policy(deployment),
        requires=_requires(deployment, leg, native, publishes and deployment.runtime.events_durable),
    )


def _requires(deployment: Deployment, leg: bool, native: Mapping[str, EngineArg], durable: bool) -> Requires:
    device = deployment.hardware.device
    modules = ("dynamo", "sglang", "torch", *(("nats",) if durable else ()))
    libraries = (DRIVER,) if device == "cuda" else ()
    if not leg:
        return Requires(modules=modules, libraries=libraries)
    transfer = TRANSFERS.get(str(native.get("disaggregation_transfer_backend", DEFAULT_TRANSFER[device])))
    return Requires(
        modules=(*modules, *((transfer.module,) if transfer else ())),
        libraries=(*libraries, *(transfer.libraries if transfer else ())),
        hosts=(NamedHost(field="disaggregation.host", host=deployment.disaggregation.host),),
    )


def _control(deployment: Deployment, role: RoleGroup, name: str) -> tuple[str, ...]:
    """The commands that a worker takes: those that this run's own tasks give, and all where the user wants them."""
    profile = deployment.profile
    routes = [*role.kind.control]
    if profile.kind and name in (profile.nodes or [name]):
        routes += profile.kind.control
    words = [word for route in (["all"] if deployment.worker.control else routes) for word in ("--control", route)]
    return (*words, "--control-folder", control_folder(name), "--control-writes", "${run}") if words else ()


def _rendezvous(native: Mapping[str, EngineArg], name: str) -> tuple[str, ...]:
    """Where the engine's ranks meet. Data-parallel copies are groups of their own, of which SGLang gives each the same port
    when it is told one; left alone, it finds one for each."""
    copies = native.get("dp_size", 1) != 1 and not native.get("enable_dp_attention")
    return () if copies else ("--nccl-port", port_of(name, "nccl"))


def _kv_events(publishes: bool, durable: bool, name: str) -> tuple[str, ...]:
    """Where rank r publishes what its cache holds, and repeats what was missed: at these ports + r."""
    if not publishes:
        return ()
    ports = {"endpoint": "kv_events", "replay_endpoint": "kv_replay"}
    addresses = {key: address.url(LOOPBACK, port_of(name, port), scheme="tcp") for key, port in ports.items()}
    words = ("--kv-events-config", json.dumps({"publisher": "armature", **addresses}))
    return (*words, "--kv-events-durable") if durable else words


def _more_ports(
    deployment: Deployment, role: RoleGroup, native: Mapping[str, EngineArg], publishes_kv_events: bool
) -> tuple[PortRequest, ...]:
    bootstrap = (PortRequest(name="bootstrap", host=deployment.disaggregation.host),) if role.kind.handover == "sends" else ()
    size = native.get("dp_size", 1)
    count = size if isinstance(size, int) else 1
    # Each host's worker reads the events of its own ranks.
    events = [PortRequest(name=name, count=count, host=LOOPBACK) for name in ("kv_events", "kv_replay") if publishes_kv_events]
    return (*bootstrap, *events)


def _leg_env(d: Disaggregation) -> dict[str, str]:
    """What the engines of a pair read from their environment: where they are reached, and how long they wait."""
    return {
        env.SGLANG_HOST_IP: d.host,
        env.MOONCAKE_TCP_BIND: d.host,
        **({env.MOONCAKE_IPV6: "1"} if address.is_v6(d.host) else {}),
        env.SGLANG_BOOTSTRAP_TIMEOUT: str(d.bootstrap_timeout_s),
        env.SGLANG_WAITING_TIMEOUT: str(d.transfer_timeout_s),
        env.SGLANG_HEARTBEAT: f"{d.heartbeat_s:g}",
        env.SGLANG_HEARTBEAT_FAILURES: str(d.heartbeat_failures),
        # Otherwise one transfer that fails, of whatever cause, parts a pair for as long as both live.
        env.SGLANG_SESSION_PROBE: "1",
        env.SGLANG_SESSION_PROBE_S: f"{d.heartbeat_s:g}",
    }


def _native_args(deployment: Deployment, group: str) -> dict[str, EngineArg]:
    """The group's flags, with those that Armature owns added."""
    args = deployment.engine_args(group)
    model = deployment.model
    if model.context_length is not None:
        args["context_length"] = model.context_length
    if deployment.observe.name != "none":
        args.setdefault("enable_metrics", True)
    if model.weights == "dummy":
        args["load_format"] = "dummy"
    return args
