"""Load as part of the graph: what samples the nodes meanwhile, the load itself, its summary, and the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from armature.config.schema import Deployment
from armature.graph.node import LogProbe, Node, Requires, StopPolicy, TaskSpec
from armature.graph.rules.common import armature_argv, metrics_address

FOLDER = "${run}/load"
FAILED, TOO_SLOW = 1, 3  # how the load generator exits when its records exist and are invalid


def load_nodes(deployment: Deployment, url: str, served: Sequence[Node], needs: tuple[str, ...]) -> tuple[Node, ...]:
    """The nodes that measure, or none where there is no load.

    url: of the OpenAI server. served: the nodes whose figures are sampled. needs: what must be ready before the load.
    """
    if not deployment.load:
        return ()
    sampler = sampler_node(deployment, served, needs)
    load = _load(deployment, url, (*needs, *((sampler.name,) if sampler else ())))
    summary = Node(
        name="summary",
        kind="task",
        label="records to figures",
        argv=armature_argv("summarize", "${run}", *_pairs("--slo", deployment.load.slo), *_pairs("--tolerance", deployment.load.tolerance)),
        needs=(load.name,),
        task=TaskSpec(outputs=("${run}/results/summary.json",), bad=(FAILED,), tells=True),
        measures=True,
    )
    return tuple(node for node in (sampler, load, summary) if node)


def report_node(needs: tuple[str, ...]) -> Node:
    """The last node of a run that measures."""
    return Node(
        name="report",
        kind="task",
        label="one HTML page",
        argv=armature_argv("report", "${run}"),
        needs=needs,
        task=TaskSpec(outputs=("${run}/report.html",), tells=True),
        requires=Requires(modules=("jinja2", "plotly", "pyarrow", "scipy")),
        measures=True,
    )


def sampler_node(deployment: Deployment, served: Sequence[Node], needs: tuple[str, ...]) -> Node | None:
    """What reads each node's /metrics, its processes and the GPUs while the load runs; None where nobody wants it."""
    targets = [word for node in served if (address := metrics_address(node)) for word in ("--target", f"{node.name}={address}")]
    if not targets or not deployment.load.sample_s:
        return None
    gpus = ("--gpus",) if deployment.hardware.device == "cuda" else ()
    return Node(
        name="sampler",
        kind="service",
        label="figures of all nodes",
        argv=armature_argv(
            *("sample", *targets, "--processes", "${tmp}", *gpus),
            *("--every-s", f"{deployment.load.sample_s:g}", "--out", f"{FOLDER}/samples.jsonl"),
        ),
        needs=needs,
        ready=LogProbe(pattern="^sampling "),
        stop=StopPolicy(drain_s=10.0),
        measures=True,
    )


def _load(deployment: Deployment, url: str, needs: tuple[str, ...]) -> Node:
    load = deployment.load
    settings = load.settings(
        deployment.model.served_name or None,
        on_cpu=deployment.hardware.device == "cpu" and not deployment.external,
        ours=not deployment.external,
    )
    processes = ("--processes", str(load.processes)) if load.processes > 1 else ()
    return Node(
        name="load",
        kind="task",
        label=f"Locust, {load.name}",
        argv=(
            *("${program:locust-python}", "-m", "locust", "-f", "${program:locustfile}", "-H", url),
            # Which requests failed, and how, is for the summary to say; they do not end a run.
            *("--headless", "--only-summary", "--exit-code-on-error", "0", *processes),
            *("--load-settings", json.dumps(settings, sort_keys=True), "--record-dir", FOLDER),
        ),
        needs=needs,
        task=TaskSpec(outputs=(f"{FOLDER}/load.json",), bad=(FAILED, TOO_SLOW)),
        requires=Requires(python=("${program:locust-python}",), modules=("locust", "geventhttpclient")),
        measures=True,
    )


def _pairs(option: str, section: object) -> Iterable[str]:
    """A section's fields that are set, as OPTION NAME=VALUE words."""
    values: dict[str, object] = section.model_dump(exclude_none=True)  # type: ignore[attr-defined]
    return [word for name, value in values.items() for word in (option, f"{name}={value:g}")]
