"""The one home of environment variables: every name that Armature reads or sets is here, with its meaning."""

from __future__ import annotations

import importlib.util
import os
import sys
from itertools import takewhile
from pathlib import Path

from armature.errors import UserError

# Read by Armature.
CACHE_DIR = "ARMATURE_CACHE"  # where models that tasks build are kept between runs
RUNS_DIR = "ARMATURE_RUNS"  # where run directories are made and looked for, unless run.dir says otherwise; else the current folder's runs/
CONF_DIR = "ARMATURE_CONF"  # the folder of Hydra configs, when it is not found beside the sources
PLUGINS = "ARMATURE_PLUGINS"  # folders with roles of the user's own, separated as in PATH (armature.plugins)
BAZEL_CALLER_DIR = "BUILD_WORKING_DIRECTORY"  # set by `bazel run`: the folder that the user stands in
LOADTESTS_PYTHON = "ARMATURE_LOADTESTS_PYTHON"  # the interpreter of the load generator's environment; this one, where it has Locust
ENGINE_START = "ARMATURE_ENGINE_START"  # spawn: SGLang's processes import everything anew, on the CPU, too
CUDA_VISIBLE = "CUDA_VISIBLE_DEVICES"  # the GPUs that a run may use (Slurm and users set it); each node gets its own of them
COMPLETING = "_ARGCOMPLETE"  # a shell asks how the words on its command line go on
REACH = "ARMATURE_REACH"  # from where a process's listeners may be reached: `kernel`, or what it must see to itself (set by guards)
LOG_LEVEL = "ARMATURE_LOG"  # debug | info | warning | error: what our own processes log

# Set by Armature for its own part of SGLang's processes.
GUIDE_CACHE_MB = "ARMATURE_GUIDE_CACHE_MB"  # MiB of compiled guides that a scheduler keeps (requests.guide_cache_mb)
GUIDE_STEP_MS = "ARMATURE_GUIDE_STEP_MS"  # CPU milliseconds that a token of a guide may take it on average (requests.guide_step_ms)

# Set by Armature for SGLang.
SGLANG_GRAMMAR_LOOK = "SGLANG_GRAMMAR_POLL_INTERVAL"  # seconds that a scheduler waits for guides before each step
SGLANG_GRAMMAR_LOOKS = "SGLANG_GRAMMAR_MAX_POLL_ITERATIONS"  # such waits after which it gives a guide up
TORCH_COMPILE_DISABLE = "TORCH_COMPILE_DISABLE"  # 1: torch.compile leaves functions as they are
OMP_THREADS = "OMP_NUM_THREADS"  # threads of torch's kernels; half of the cores unless the user says otherwise
SGLANG_RENDEZVOUS = "SGLANG_DISTRIBUTED_INIT_METHOD_OVERRIDE"  # how the ranks of one engine find each other
SGLANG_CPU = "SGLANG_USE_CPU_ENGINE"  # SGLang takes its CPU paths; also turns our stand-ins on
SGLANG_HOST_IP = "SGLANG_HOST_IP"  # the address at which an engine's ranks and KV transfers are reached
SGLANG_BOOTSTRAP_TIMEOUT = "SGLANG_DISAGGREGATION_BOOTSTRAP_TIMEOUT"  # seconds that prefill waits for the handshake
SGLANG_WAITING_TIMEOUT = "SGLANG_DISAGGREGATION_WAITING_TIMEOUT"  # seconds that decode waits for the KV cache
SGLANG_HEARTBEAT = "SGLANG_DISAGGREGATION_HEARTBEAT_INTERVAL"  # seconds between decode's looks at prefill
SGLANG_HEARTBEAT_FAILURES = "SGLANG_DISAGGREGATION_HEARTBEAT_MAX_FAILURE"  # looks that fail before prefill counts as dead
SGLANG_SESSION_PROBE = "SGLANG_ENABLE_FAILED_SESSION_PROBE"  # prefill looks again at a decode worker to which a transfer failed
SGLANG_SESSION_PROBE_S = "SGLANG_FAILED_SESSION_PROBE_INTERVAL_S"  # seconds between such looks
SGLANG_CPU_BIND = "SGLANG_CPU_OMP_THREADS_BIND"  # the cores of each rank on the CPU, ranks parted by |
PROMETHEUS_DIR = "PROMETHEUS_MULTIPROC_DIR"  # where an engine's processes keep their Prometheus series; fresh for each launch
GLOO_INTERFACE = "GLOO_SOCKET_IFNAME"  # the network interface on which ranks of a CPU talk
NCCL_INTERFACE = "NCCL_SOCKET_IFNAME"  # the same of GPUs, to find each other
NCCL_RAS = "NCCL_RAS_ENABLE"  # 0: NCCL opens no port at which it tells of itself
MOONCAKE_IPV6 = "MC_USE_IPV6"  # mooncake looks peers up as IPv6 addresses; it tries IPv4 only otherwise
MOONCAKE_TCP_QUEUE = "MC_TCP_MAX_QUEUED_TRANSFERS_PER_PEER"  # pieces of memory that wait for being sent to one peer
MOONCAKE_TCP_WAITING = "MC_TCP_MAX_PENDING_ADMISSIONS_PER_PEER"  # pieces that wait for a place among those
MOONCAKE_TCP_BIND = "MC_TCP_BIND_ADDRESS"  # the address on which mooncake's TCP transport listens

# Set by Armature for the Dynamo runtime.
DYN_DISCOVERY = "DYN_DISCOVERY_BACKEND"  # file | etcd
DYN_FILE_KV = "DYN_FILE_KV"  # the folder of the file discovery
DYN_REQUEST_PLANE = "DYN_REQUEST_PLANE"  # tcp | nats
DYN_EVENT_PLANE = "DYN_EVENT_PLANE"  # zmq | nats
ETCD_ENDPOINTS = "ETCD_ENDPOINTS"  # the etcd server of discovery by etcd
ETCD_LEASE_S = "ETCD_LEASE_TTL"  # seconds after which a process that etcd has not heard of is forgotten, and ends
NATS_SERVER = "NATS_SERVER"  # the NATS server of requests or events by nats
NATS_REQUEST_S = "DYN_NATS_REQUEST_TIMEOUT_SECS"  # seconds that a request may take to reach its worker by nats
DYN_LOG = "DYN_LOG"  # the runtime's log level; `warn` unless the user set it, because `info` is a dozen lines a request
DYN_PACKED_IDS = "DYN_TOKEN_IDS_AS_BYTES"  # 1: the frontend sends a prompt as packed 32-bit integers
DYN_NO_COLOUR = "DYN_SDK_DISABLE_ANSI_LOGGING"  # the runtime logs without colours
DYN_SYSTEM_PORT = "DYN_SYSTEM_PORT"  # the port of a worker's /health, /live and /metrics
DYN_SYSTEM_HOST = "DYN_SYSTEM_HOST"  # the address that this server binds
DYN_TCP_RPC_HOST = "DYN_TCP_RPC_HOST"  # the address on which a worker takes requests (tcp plane)
DYN_TCP_RESPONSE_HOST = "DYN_TCP_RESPONSE_STREAM_HOST"  # the address on which a frontend takes workers' responses
DYN_EVENT_PLANE_HOST = "DYN_EVENT_PLANE_HOST"  # the address on which a worker publishes events (zmq plane)
DYN_HTTP_LIVE_PATH = "DYN_HTTP_SVC_LIVE_PATH"  # where the frontend's own liveness answers
DYN_HTTP_NO_ADMIN = "DYN_DISABLE_FRONTEND_ADMIN_API"  # true: the frontend has no route by which clients change its settings
DYN_HTTP_BODY_MB = "DYN_HTTP_BODY_LIMIT_MB"  # the largest body of a request that the frontend reads
DYN_HTTP_DRAIN_S = "DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS"  # how long a stopping frontend waits for open requests
DYN_HTTP_OVERLOAD_STATUS = "DYN_HTTP_OVERLOAD_STATUS_CODE"  # the HTTP status when all workers are busy; the runtime's own is 529
DYN_HTTP_ERROR_PEEK_MS = "DYN_HTTP_PRE_COMMIT_ERROR_PEEK_MS"  # how long a stream's HTTP status waits for its first chunk

# Those whose value is an address of this host at which a process is meant to be reached.
ADDRESSES = (SGLANG_HOST_IP, MOONCAKE_TCP_BIND, DYN_SYSTEM_HOST, DYN_TCP_RPC_HOST, DYN_TCP_RESPONSE_HOST, DYN_EVENT_PLANE_HOST)
PYTHONPATH = "PYTHONPATH"  # the folders of modules: all that Bazel built, under Bazel
# What decides which modules and libraries a process finds.
FINDING = ("PATH", PYTHONPATH, "PYTHONHOME", "LD_LIBRARY_PATH", "LD_PRELOAD")


def visible_gpus() -> tuple[str, ...] | None:
    """The GPUs that this process may use, as indices or UUIDs; None: all of the host's."""
    names = os.environ.get(CUDA_VISIBLE)
    if names is None:
        return None
    given = (name.strip() for name in names.split(","))
    return tuple(takewhile(lambda name: name not in ("", "-1", "NoDevFiles"), given))  # as CUDA reads it: up to the first that is none


def cache_dir() -> Path:
    """Where things that outlive a run are kept."""
    if set_to := os.environ.get(CACHE_DIR):
        return _from_caller(set_to)
    return _absolute(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "armature"


def plugin_folders() -> tuple[Path, ...]:
    """The folders with the user's own roles."""
    return tuple(_from_caller(folder) for folder in os.environ.get(PLUGINS, "").split(os.pathsep) if folder)


def loadtests_python() -> str:
    """The interpreter that has Locust: the one that the user named, else this one. Raises FileNotFoundError when neither has it."""
    if set_to := os.environ.get(LOADTESTS_PYTHON):
        return set_to
    if importlib.util.find_spec("locust") is not None:  # found, never imported: gevent would patch this process
        return sys.executable
    raise FileNotFoundError(
        f"no Locust in {sys.executable}: install requirements/loadtests.lock into an environment and set {LOADTESTS_PYTHON}"
    )


def caller_dir() -> Path:
    """The current folder of the user, also under `bazel run`. Raises UserError when it was removed, or its name is not UTF-8."""
    return _absolute(os.environ.get(BAZEL_CALLER_DIR, ""))


def runs_dir(asked: str | None = None) -> Path:
    """Where run directories are made. asked: the folder that the configuration names. Raises UserError as `caller_dir` does."""
    return _from_caller(asked or os.environ.get(RUNS_DIR) or "runs")


def _from_caller(folder: str) -> Path:
    """A folder as the user names it, from where the user stands."""
    return _absolute(os.path.join(os.environ.get(BAZEL_CALLER_DIR, ""), os.path.expanduser(folder)))


def _absolute(folder: str | Path) -> Path:
    """An absolute path that plans can hold. Raises UserError for one that is not UTF-8."""
    try:
        path = Path(folder).absolute()
    except FileNotFoundError:
        raise UserError("the current folder was removed", fix="cd to a folder that exists") from None
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"the folder {str(path)!r} has a name that is not UTF-8", fix="use a folder whose name is UTF-8") from None
    return path
