"""How SGLang's Engine is started: without a detokenizer, without an open port, and on the CPU without importing everything again."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any

from armature import env
from armature.engine import cpu, forking, scheduler


@contextlib.contextmanager
def meeting_through_a_file(server_args: Any) -> Iterator[None]:
    """Let the ranks of one machine find each other through a file while they start.

    Otherwise torch opens a store on all interfaces. Data-parallel replicas without DP attention are process groups of
    their own, and ranks on several machines have no file in common: those keep SGLang's way.
    """
    one_group = server_args.dp_size == 1 or server_args.enable_dp_attention
    if server_args.nnodes > 1 or not one_group or env.SGLANG_RENDEZVOUS in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="rendezvous-", ignore_cleanup_errors=True) as folder:
        os.environ[env.SGLANG_RENDEZVOUS] = f"file://{folder}/store"
        try:
            yield
        finally:
            del os.environ[env.SGLANG_RENDEZVOUS]


def token_engine() -> Any:
    """SGLang's Engine class with the schedulers' tokens going straight to the tokenizer manager, and `engine.scheduler` in them.

    Schedulers send tokens to the detokenizer's address; here the manager listens there as well. It understands both kinds of
    output: BatchTokenIDOutput is what the detokenizer would have received.
    """
    from sglang.srt.entrypoints.engine import Engine

    class TokenEngine(Engine):
        run_scheduler_process_func = staticmethod(scheduler.run)

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.tokenizer_manager.recv_from_detokenizer.bind(self.port_args.detokenizer_ipc_name)

        @classmethod
        def _launch_scheduler_processes(cls, *args: Any, **kwargs: Any) -> Any:
            with forking.instead_of_spawning() if _may_fork() else contextlib.nullcontext():
                return super()._launch_scheduler_processes(*args, **kwargs)

        @classmethod
        def _launch_detokenizer_subprocesses(cls, *_args: Any, **_kwargs: Any) -> tuple[list[Any], list[str]]:
            return [], []

    return TokenEngine


def _may_fork() -> bool:
    return cpu.is_active() and os.environ.get(env.ENGINE_START) != "spawn"
