"""Workers: one service for each replica of each group of the topology."""

from __future__ import annotations

from armature import env
from armature.config.flags import to_argv
from armature.config.modelref import ModelSource
from armature.config.schema import Deployment, EngineArg, RoleGroup
from armature.graph.node import HttpProbe, Node, PortRequest, StopPolicy
from armature.graph.rules.common import armature_argv, model_folder, plane_env


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
        f"{deployment.runtime.namespace}.backend.generate",
        "--system-port",
        f"${{port:{name}.system}}",
        "--egress",
        settings.egress,
        "--drain-s",
        f"{settings.drain_s:g}",
        *parsers,
    )
    native = _native_args(deployment, group)
    on_cpu = deployment.hardware.device == "cpu"
    return Node(
        name=name,
        kind="service",
        label=role.role,
        argv=armature_argv("worker", role.role, *own, *to_argv(native), "--nccl-port", f"${{port:{name}.nccl}}"),
        env=plane_env(deployment) | ({env.SGLANG_CPU: "1"} if on_cpu else {}) | deployment.hardware.env | role.env,
        needs=needs,
        ports=(PortRequest(name="system"), PortRequest(name="nccl")),
        gpus=0 if on_cpu else role.gpus,
        ready=HttpProbe(url=f"http://127.0.0.1:${{port:{name}.system}}/health", timeout_s=settings.start_timeout_s),
        stop=StopPolicy(drain_s=settings.drain_s + 15.0),  # the engine's own end comes after the drain
    )


def _native_args(deployment: Deployment, group: str) -> dict[str, EngineArg]:
    """The group's flags, with those that Armature owns added."""
    args = deployment.engine_args(group)
    model = deployment.model
    if model.context_length is not None:
        args["context_length"] = model.context_length
    if model.weights == "dummy":
        args["load_format"] = "dummy"
    return args
