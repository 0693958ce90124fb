"""What several rules share."""

from __future__ import annotations

from armature import address, control, env
from armature.config.modelref import BuiltModel, Elsewhere, HubModel, LocalFolder, ModelSource
from armature.config.schema import Deployment
from armature.graph.node import NamedServer, Node, RestartPolicy

# Where processes find each other: in the folder that ends with the run, and not on the disk that its records may fill.
DISCOVERY = "discovery"
# The ports of nodes that have /metrics, by their names. The NATS server tells its figures in another form.
METRICS_PORTS = ("system", "http", "client")
# How long etcd may be away before its clients' registrations lapse, by which their processes end. The other side of it: a
# process that was killed stays listed as long, and requests that are sent there first move on.
ETCD_LEASE_S = 60
# How long a request waits for a NATS server that is away, where requests go through it. The runtime's own 10 s are less than
# many restarts take; more would keep a request longer that was lost with the server.
NATS_REQUEST_S = 30


def armature_argv(*words: str) -> tuple[str, ...]:
    """A command of our own program, in the interpreter that placement chooses."""
    return ("${python}", "-m", "armature", *words)


def port_of(node: str, name: str) -> str:
    """The port that `node` asked for under `name`, which placement fills in."""
    return f"${{port:{node}.{name}}}"


def at(node: str, port: str) -> str:
    """HOST:PORT at which others reach that port of `node`, which placement fills in."""
    return f"${{at:{node}.{port}}}"


def url_at(node: str, port: str, path: str = "", scheme: str = "http") -> str:
    """The URL of `path` there."""
    return address.url_at(at(node, port), path, scheme)


def restart_policy(deployment: Deployment) -> RestartPolicy:
    """What happens to a service that dies while the run serves."""
    return RestartPolicy(times=deployment.launcher.restarts, window_s=deployment.launcher.restart_window_s)


def plane_env(deployment: Deployment) -> dict[str, str]:
    """The environment that joins a process to the deployment's discovery, request and event planes."""
    runtime = deployment.runtime
    planes = {
        env.DYN_DISCOVERY: runtime.discovery,
        **({} if runtime.uses_etcd else {env.DYN_FILE_KV: f"${{tmp}}/{DISCOVERY}"}),
        env.DYN_REQUEST_PLANE: runtime.requests,
        env.DYN_EVENT_PLANE: runtime.events,
    }
    if runtime.uses_etcd:
        planes |= {
            env.ETCD_ENDPOINTS: runtime.etcd_url or url_at("etcd", "client"),
            env.ETCD_LEASE_S: str(ETCD_LEASE_S),
        }
    if runtime.uses_nats:
        planes |= {
            env.NATS_SERVER: runtime.nats_url or url_at("nats", "client", scheme="nats"),
            env.NATS_REQUEST_S: str(NATS_REQUEST_S),
        }
    return planes


def control_folder(name: str) -> str:
    """Where a worker's commands are given (armature.control), as a symbolic path: below its TMPDIR, which no other user may enter."""
    return control.folder("${tmp}", name)


def metrics_address(node: Node) -> str | None:
    """HOST:PORT of a node's /metrics, if it has any."""
    port = next((p for p in node.ports if p.name in METRICS_PORTS), None)
    if port is None or node.name == "nats":
        return None
    return at(node.name, port.name)


def named_servers(deployment: Deployment) -> tuple[NamedServer, ...]:
    """The servers that the user runs, and that this deployment uses."""
    urls = {"runtime.nats_url": deployment.runtime.nats_url, "runtime.etcd_url": deployment.runtime.etcd_url}
    named = [NamedServer(field=field, url=url) for field, url in urls.items() if url]
    if deployment.url:
        named.append(NamedServer(field="url", url=deployment.url, kind="openai", model=deployment.model.served_name or None))
    return tuple(named)


def model_folder(source: ModelSource) -> str:
    """The folder that engines load, as a symbolic path."""
    match source:
        case Elsewhere():
            raise ValueError("an existing server has the model: its files are not here")
        case LocalFolder(path):
            return str(path)
        case HubModel(folder=folder) | BuiltModel(folder=folder):
            return "${cache}/" + folder
