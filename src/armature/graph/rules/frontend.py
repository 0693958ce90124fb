"""The OpenAI-compatible HTTP server in front of the workers."""

from __future__ import annotations

from armature.config.modelref import ModelSource
from armature.config.router import Router
from armature.config.schema import Deployment
from armature.graph.node import ModelProbe, NamedHost, Node, PortRequest, Requires, StopPolicy
from armature.graph.rules.common import armature_argv, model_folder, plane_env, port_of, restart_policy, url_at
from armature.limits import BODY_MB
from armature.roles.apis import APIS, TEXT

URL = url_at("frontend", "http")  # where the run reaches its frontend


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


def _expected(deployment: Deployment, source: ModelSource) -> tuple[str, ...]:
    model, apis = deployment.model, deployment.topology.apis
    return (
        "--expect-model",
        model.served_name,
        "--expect-path",
        model_folder(source),
        *(() if model.context_length is None else ("--expect-context", str(model.context_length))),
        *(() if apis == TEXT else ("--expect-apis", ",".join(apis))),
    )


def _probe(deployment: Deployment, source: ModelSource) -> ModelProbe:
    """One real request of a kind that the workers answer."""
    model = deployment.model.served_name
    api = next(APIS[api] for api in deployment.topology.apis if APIS[api].probe)
    return ModelProbe(url=URL, model=model, path=api.path or "", body={"model": model, **(api.probe or {})}, files=model_folder(source))


def frontend_node(deployment: Deployment, source: ModelSource, needs: tuple[str, ...]) -> Node:
    """The frontend. It is ready when it has answered one real request, so that its URL is good when it is shown."""
    frontend, router = deployment.frontend, deployment.router
    return Node(
        name="frontend",
        kind="service",
        label="OpenAI HTTP",
        argv=armature_argv(
            "frontend",
            "--http-host",
            frontend.host,
            "--http-port",
            port_of("frontend", "http"),
            "--router-mode",
            router.mode,
            *_kv_options(router),
            "--migration-limit",
            str(router.migration_limit),
            "--drain-s",
            f"{frontend.drain_s:g}",
            *(("--body-mb", str(frontend.body_mb)) if frontend.body_mb != BODY_MB else ()),
            *_expected(deployment, source),
            *(("--admin-routes",) if frontend.admin else ()),
        ),
        env=plane_env(deployment),
        needs=needs,
        ports=(PortRequest(name="http", fixed=frontend.port or None, host=frontend.host),),
        ready=_probe(deployment, source),
        stop=StopPolicy(drain_s=frontend.drain_s + 5.0),
        restart=restart_policy(deployment),
        requires=Requires(modules=("dynamo",), hosts=(NamedHost(field="frontend.host", host=frontend.host),)),
    )
