"""The OpenAI-compatible HTTP server in front of the workers."""

from __future__ import annotations

from armature.config.router import Router
from armature.config.schema import Deployment
from armature.graph.node import ModelProbe, Node, PortRequest, StopPolicy
from armature.graph.rules.common import armature_argv, plane_env, restart_policy


def _kv_options(router: Router) -> tuple[str, ...]:
    """What differs from the frontend's defaults."""
    words: list[str] = []
    if router.mode == "kv":
        words += [] if router.kv_events else ["--no-kv-events"]
        words += ["--kv-overlap-weight", f"{router.overlap_weight:g}", "--kv-temperature", f"{router.temperature:g}"]
    if router.busy_blocks is not None:
        words += ["--busy-blocks", f"{router.busy_blocks:g}"]
    if router.busy_prefill_tokens is not None:
        words += ["--busy-prefill-tokens", str(router.busy_prefill_tokens)]
    return tuple(words)


def frontend_node(deployment: Deployment, needs: tuple[str, ...]) -> Node:
    """The frontend. It is ready when it has answered one real request, so that its URL is good when it is shown."""
    frontend, router = deployment.frontend, deployment.router
    probe_host = "127.0.0.1" if frontend.host in ("0.0.0.0", "::") else frontend.host
    return Node(
        name="frontend",
        kind="service",
        label="OpenAI HTTP",
        argv=armature_argv(
            "frontend",
            "--http-host",
            frontend.host,
            "--http-port",
            "${port:frontend.http}",
            "--router-mode",
            router.mode,
            *_kv_options(router),
            "--migration-limit",
            str(router.migration_limit),
            "--drain-s",
            f"{frontend.drain_s:g}",
        ),
        env=plane_env(deployment),
        needs=needs,
        ports=(PortRequest(name="http", fixed=frontend.port or None, host=frontend.host),),
        ready=ModelProbe(
            url=f"http://{probe_host}:${{port:frontend.http}}",
            model=deployment.model.served_name,
            path="/v1/completions",  # base models have no chat template
            body={"model": deployment.model.served_name, "prompt": "ready?", "max_tokens": 1},
        ),
        stop=StopPolicy(drain_s=frontend.drain_s + 5.0),
        restart=restart_policy(deployment),
    )
