"""SGLang's process of the data-parallel controller, which spreads requests over ranks, changed where it launches and where it waits."""

from __future__ import annotations

import os
import threading
from typing import Any

from armature import env
from armature.confine import sweep
from armature.engine import cpu, local

FEED_MS = 1000  # how often the controller tells its watchdog that it lives


def run(server_args: Any, port_args: Any, *args: Any, **kwargs: Any) -> None:
    """SGLang's process of the data-parallel controller. Takes SGLang's own arguments."""
    from sglang.srt.managers import data_parallel_controller as stock

    sweep.keep_on(env.REACH, os.environ)
    stock.DataParallelController.event_loop = _wait_for_requests
    if cpu.is_active():
        _one_copy_at_a_time(stock.DataParallelController)
    if local.may_join(server_args):
        local.join_by_files(stock, port_args)
    stock.run_data_parallel_controller_process(server_args, port_args, *args, **kwargs)


def _one_copy_at_a_time(controller: Any) -> None:
    """SGLang launches data-parallel copies from threads. On the CPU they are forks, and a fork keeps for ever whatever lock another
    thread holds just then: now and then a rank never began. A thread that waits for its turn holds none."""
    launch, turn = controller.launch_tensor_parallel_group, threading.Lock()

    def in_turn(self: Any, *args: Any, **kwargs: Any) -> Any:
        with turn:
            return launch(self, *args, **kwargs)

    controller.launch_tensor_parallel_group = in_turn


def _wait_for_requests(controller: Any) -> None:
    """SGLang's own loop asks again and again whether there is a request, which takes a whole core from the ranks."""
    from sglang.srt.managers.data_parallel_controller import sock_recv

    while True:
        controller.soft_watchdog.feed()
        if controller.recv_from_tokenizer.poll(FEED_MS):
            controller._request_dispatcher(sock_recv(controller.recv_from_tokenizer))
