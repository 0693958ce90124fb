"""The processes of an engine, and what they leave behind."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
from typing import Any

import psutil

from armature.engine import local

END_TIMEOUT_S = 60.0  # a GPU's context is released before its process is gone

logger = logging.getLogger(__name__)


def end(engine: Any) -> None:
    """End the engine's processes, and only those.

    SGLang's own shutdown kills every child of this process, Python's resource tracker among them, and the semaphores
    that the tracker knows of would stay under /dev/shm.
    """
    atexit.unregister(engine.shutdown)
    if engine.tokenizer_manager._subprocess_watchdog is not None:
        engine.tokenizer_manager._subprocess_watchdog.stop()
    # Open ones would hang this process: garbage collection may end their ZeroMQ context first, which waits for them forever.
    manager = engine.tokenizer_manager
    for socket in (engine.send_to_rpc, manager.send_to_scheduler, manager.recv_from_detokenizer):
        if socket is not None:
            socket.close(linger=0)
    doomed = of(engine)
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(doomed, timeout=END_TIMEOUT_S)
    if alive:
        logger.error("processes of the engine did not end: %s", ", ".join(str(p.pid) for p in alive))


def of(engine: Any) -> list[psutil.Process]:
    """The engine's processes, children before their parents."""
    found = []
    for pid in engine._scheduler_init_result.all_child_pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            found += [*root.children(recursive=True), root]
    return found


def remove_files(engine: Any) -> None:
    """SGLang makes its sockets' files with tempfile and a load report under /dev/shm, and removes neither."""
    local.remove(engine.port_args)
    from sglang.srt.managers.load_snapshot import shm_path_for

    ports = engine.port_args
    sockets = [value for name in dir(ports) if name.endswith("_ipc_name") and isinstance(value := getattr(ports, name), str)]
    for path in (shm_path_for(ports.instance_id), *(s.removeprefix("ipc://") for s in sockets if s.startswith("ipc://"))):
        with contextlib.suppress(OSError):
            os.unlink(path)
