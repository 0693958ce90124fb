"""How SGLang's Engine is started: without a detokenizer, without an open port, and on the CPU without importing everything again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from armature import env
from armature.engine import controller, cpu, forking, local, scheduler


@contextlib.contextmanager
def meeting_in(folder: Path, server_args: Any) -> Iterator[None]:
    """Let the ranks of one machine find each other through a file in `folder`.

    Otherwise torch opens a store on all interfaces. Ranks on several machines have no file in common: those keep SGLang's way.
    Data-parallel copies are groups of their own, and each takes a file of its own beside the one that is named here (`scheduler.run`).

    The folder must last as long as the engine: NCCL connects a group when it is first used, and that may be by a client's first guide.
    Without the file torch would wait for it, for half an hour, and the scheduler with it.
    """
    if server_args.nnodes > 1 or env.SGLANG_RENDEZVOUS in os.environ:
        yield
        return
    os.environ[env.SGLANG_RENDEZVOUS] = f"file://{folder}/rendezvous"
    try:
        yield
    finally:
        del os.environ[env.SGLANG_RENDEZVOUS]


def engine_class(start_beside: Callable[[Any], int] | None = None) -> Any:
    """SGLang's Engine class with the schedulers' output going straight to the tokenizer manager, and `engine.scheduler` in them.

    start_beside: starts one more process of the engine, before its schedulers, and returns its id; it is given SGLang's arguments.

    Schedulers send tokens to the detokenizer's address; here the manager listens there as well. It understands both kinds of
    output: BatchTokenIDOutput is what the detokenizer would have received.
    """
    from sglang.srt.entrypoints import engine as stock

    stock.run_data_parallel_controller_process = controller.run

    class OurEngine(stock.Engine):
        run_scheduler_process_func = staticmethod(scheduler.run)

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.tokenizer_manager.recv_from_detokenizer.bind(self.port_args.detokenizer_ipc_name)

        @classmethod
        def _launch_subprocesses(cls, server_args: Any, *args: Any, **kwargs: Any) -> Any:
            if local.may_join(server_args):
                kwargs["port_args"] = local.ranks(server_args)
            return super()._launch_subprocesses(server_args, *args, **kwargs)

        @classmethod
        def _launch_scheduler_processes(cls, server_args: Any, *args: Any, **kwargs: Any) -> Any:
            with forking.instead_of_spawning() if _may_fork() else contextlib.nullcontext():
                beside = [] if start_beside is None else [start_beside(server_args)]
                result, processes = super()._launch_scheduler_processes(server_args, *args, **kwargs)
            result.all_child_pids.extend(beside)
            return result, processes

        @classmethod
        def _launch_detokenizer_subprocesses(cls, *_args: Any, **_kwargs: Any) -> tuple[list[Any], list[str]]:
            return [], []

    return OurEngine


def _may_fork() -> bool:
    return cpu.is_active() and os.environ.get(env.ENGINE_START) != "spawn"
