"""The task that puts a model's files in place: built from a shape, or fetched from Hugging Face."""

from __future__ import annotations

import json

from armature.config.modelref import BuiltModel, HubModel, ModelSource
from armature.config.schema import Deployment
from armature.graph.node import Node, TaskSpec
from armature.graph.rules.common import armature_argv, model_folder

# The modules whose code decides what a built model's files hold.
_MAKERS = ("armature.models.make", "armature.models.tokenizer", "armature.models.weights")


def model_task(deployment: Deployment, source: ModelSource) -> Node | None:
    """The task, or None when the model is a folder that the user has."""
    folder = model_folder(source)
    match source:
        case BuiltModel(spec=spec):
            return Node(
                name="model",
                kind="task",
                label=f"build {deployment.model.served_name}",
                argv=armature_argv("models", "make", "--spec", json.dumps(spec, sort_keys=True), "--out", folder),
                task=TaskSpec(outputs=(f"{folder}/config.json",), params=spec, code=_MAKERS),
            )
        case HubModel(repo=repo, revision=revision):
            return Node(
                name="model",
                kind="task",
                label=f"fetch {repo}",
                argv=armature_argv("models", "fetch", "--repo", repo, "--revision", revision, "--out", folder),
                task=TaskSpec(outputs=(f"{folder}/config.json",), params={"repo": repo, "revision": revision}),
            )
        case _:
            return None
