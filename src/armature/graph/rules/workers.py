"""Workers: one service for each replica of each group of the topology."""

from __future__ import annotations

import json
from collections.abc import Mapping

from armature import env
from armature.config.engine_section import EngineArg
from armature.config.flags import to_argv
from armature.config.modelref import ModelSource
from armature.config.schema import Deployment
from armature.config.topology import Disaggregation, RoleGroup
from armature.graph.node import HttpProbe, Node, PortRequest, StopPolicy
from armature.graph.rules.common import armature_argv, model_folder, plane_env, restart_policy

LEGS = ("prefill", "decode")
RANK_PORTS = 7  # what SGLang takes from --dist-init-addr's port on, when its ranks talk over TCP
# The component of the runtime under which a role's workers are found; `backend` for those that clients' requests go to.
COMPONENTS = {"prefill": "prefill"}


def endpoint_of(deployment: Deployment, role: str) -> str:
    """The name in the runtime under which workers of a role are found."""
    return f"{deployment.runtime.namespace}.{COMPONENTS.get(role, 'backend')}.generate"


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
        endpoint_of(deployment, role.role),
        "--system-port",
        f"${{port:{name}.system}}",
        "--egress",
        settings.egress,
        "--drain-s",
        f"{settings.drain_s:g}",
        "--check-s",
        f"{settings.check_s:g}",
        *parsers,
        *(("--publish-load",) if deployment.publishes_load else ()),
    )
    native = _native_args(deployment, group)
    publishes = deployment.publishes_kv_events(group)
    on_cpu = deployment.hardware.device == "cpu"
    shared = None if on_cpu or role.share_gpus_with is None else f"{role.share_gpus_with}-{replica}"
    leg = role.role in LEGS
    meet = ["--host", deployment.disaggregation.host] if leg else []
    if role.role == "prefill":
        meet += ["--disaggregation-bootstrap-port", f"${{port:{name}.bootstrap}}"]
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
        | deployment.hardware.env
        | role.env,
        # Engines on one GPU start in turn: each takes its share of the memory that it finds.
        needs=(*needs, *((shared,) if shared else ())),
        ports=(PortRequest(name="system"), PortRequest(name="nccl"), *_more_ports(deployment, role, native, publishes)),
        gpus=0 if on_cpu or role.share_gpus_with else role.gpus,
        gpus_of=shared,
        ready=HttpProbe(url=f"http://127.0.0.1:${{port:{name}.system}}/health", timeout_s=settings.start_timeout_s),
        stop=StopPolicy(drain_s=settings.drain_s + 15.0),  # the engine's own end comes after the drain
        restart=restart_policy(deployment),
    )


def _rendezvous(native: Mapping[str, EngineArg], name: str) -> tuple[str, ...]:
    """Where the engine's ranks meet. Data-parallel copies are groups of their own, of which SGLang gives each the same port
    when it is told one; left alone, it finds one for each. Ranks of DP attention talk over TCP, even on one machine."""
    if native.get("enable_dp_attention"):
        return ("--nccl-port", f"${{port:{name}.nccl}}", "--dist-init-addr", f"127.0.0.1:${{port:{name}.ranks}}")
    return () if native.get("dp_size", 1) != 1 else ("--nccl-port", f"${{port:{name}.nccl}}")


def _kv_events(publishes: bool, durable: bool, name: str) -> tuple[str, ...]:
    """Where rank r publishes what its cache holds, and repeats what was missed: at these ports + r."""
    if not publishes:
        return ()
    addresses = {
        key: f"tcp://127.0.0.1:${{port:{name}.{port}}}" for key, port in (("endpoint", "kv_events"), ("replay_endpoint", "kv_replay"))
    }
    words = ("--kv-events-config", json.dumps({"publisher": "armature", **addresses}))
    return (*words, "--kv-events-durable") if durable else words


def _more_ports(
    deployment: Deployment, role: RoleGroup, native: Mapping[str, EngineArg], publishes_kv_events: bool
) -> tuple[PortRequest, ...]:
    bootstrap = (PortRequest(name="bootstrap", host=deployment.disaggregation.host),) if role.role == "prefill" else ()
    ranks = (PortRequest(name="ranks", count=RANK_PORTS),) if native.get("enable_dp_attention") else ()
    size = native.get("dp_size", 1)
    count = size if isinstance(size, int) else 1
    events = (PortRequest(name="kv_events", count=count), PortRequest(name="kv_replay", count=count)) if publishes_kv_events else ()
    return (*bootstrap, *ranks, *events)


def _leg_env(d: Disaggregation) -> dict[str, str]:
    """What the engines of a pair read from their environment: where they are reached, and how long they wait."""
    return {
        env.SGLANG_HOST_IP: d.host,
        env.MOONCAKE_TCP_BIND: d.host,
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
