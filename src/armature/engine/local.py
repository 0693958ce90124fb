"""The sockets between an engine's processes, where these are on one host: files in a folder of this user's own, and no ports.

SGLang unpickles what comes over them, so that whoever is heard there runs code. With DP attention it opens TCP ports for them, for the
sake of engines that span hosts. A file's folder is closed to other users, and no network leads to it.

    ranks            in the worker: names instead of ports, before SGLang launches anything
    join_by_files    in the process of the data-parallel controller (`engine.controller`), the same names
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from armature import env

_PREFIX = "ranks-"


def may_join(server_args: Any) -> bool:
    """Whether SGLang would open ports for ranks that are all here."""
    return bool(server_args.enable_dp_attention and server_args.nnodes == 1 and server_args.elastic_ep_backend is None)


def on_loopback(server_args: Any, environ: MutableMapping[str, str]) -> None:
    """Have gloo and NCCL take loopback where all ranks are here; by themselves they choose another interface. NCCL's server for questions
    from outside (RAS) is off, as nobody here asks it. What the user set stays."""
    if server_args.nnodes == 1:
        environ.setdefault(env.GLOO_INTERFACE, "lo")
        environ.setdefault(env.NCCL_INTERFACE, "lo")
        environ.setdefault(env.NCCL_RAS, "0")


def ranks(server_args: Any) -> Any:
    """SGLang's PortArgs with a file for each socket, in a folder that only this user may enter. `remove` takes it away."""
    from sglang.srt.server_args import PortArgs

    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))  # 0700
    named = [field.name for field in dataclasses.fields(PortArgs) if field.name.endswith("_ipc_name")]
    files = {name: _file(folder, name.removesuffix("_ipc_name")) for name in named if name != "tokenizer_worker_ipc_name"}
    return PortArgs(
        **files,
        tokenizer_worker_ipc_name=None,
        nccl_port=server_args.nccl_port or 0,  # unused: ranks of one host find each other through a file
        decoupled_spec_ipc_config=None,
        instance_id=folder.name.removeprefix(_PREFIX),
    )


def remove(ports: Any) -> None:
    """Remove the folder of `ranks`, if these ports have one."""
    folder = Path(ports.scheduler_input_ipc_name.removeprefix("ipc://")).parent
    if folder.name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def _file(folder: Path, name: str) -> str:
    return f"ipc://{folder}/{name}"


def _rank(ports: Any, rank: int) -> str:
    """Where the controller gives a rank its requests."""
    return _file(Path(ports.scheduler_input_ipc_name.removeprefix("ipc://")).parent, f"rank{rank}")


def join_by_files(stock: Any, ports: Any) -> None:
    """Have the controller of this process, and the ranks that it launches, meet at `ports`."""
    import zmq

    class Controller(stock.DataParallelController):
        def launch_dp_attention_schedulers(self, server_args: Any, port_args: Any) -> None:
            for rank in range(self.launch_dp_size):
                self.workers[rank] = stock.get_zmq_socket(self.context, zmq.PUSH, _rank(port_args, rank), True)
            self.launch_tensor_parallel_group(server_args, port_args, 0, None, [])

    class RankPorts:
        @staticmethod
        def init_new(_server_args: Any, dp_rank: int, _ports: list[int]) -> Any:
            return dataclasses.replace(ports, scheduler_input_ipc_name=_rank(ports, dp_rank))

    stock.DataParallelController, stock.PortArgs = Controller, RankPorts
