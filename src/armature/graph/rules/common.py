"""What several rules share."""

from __future__ import annotations

from armature import env
from armature.config.modelref import BuiltModel, HubModel, LocalFolder, ModelSource
from armature.config.schema import Deployment
from armature.graph.node import RestartPolicy


def armature_argv(*words: str) -> tuple[str, ...]:
    """A command of our own program, in the interpreter that placement chooses."""
    return ("${python}", "-m", "armature", *words)


def restart_policy(deployment: Deployment) -> RestartPolicy:
    """What happens to a service that dies while the run serves."""
    return RestartPolicy(times=deployment.launcher.restarts, window_s=deployment.launcher.restart_window_s)


def plane_env(deployment: Deployment) -> dict[str, str]:
    """The environment that joins a process to the deployment's discovery, request and event planes."""
    runtime = deployment.runtime
    return {
        env.DYN_DISCOVERY: runtime.discovery,
        env.DYN_FILE_KV: "${run}/discovery",
        env.DYN_REQUEST_PLANE: runtime.requests,
        env.DYN_EVENT_PLANE: runtime.events,
    }


def model_folder(source: ModelSource) -> str:
    """The folder that engines load, as a symbolic path."""
    match source:
        case LocalFolder(path):
            return str(path)
        case HubModel(folder=folder) | BuiltModel(folder=folder):
            return "${cache}/" + folder
