"""The process in which guides are tried. It keeps the compiler ready, and a fork of it compiles each guide within limits.

The fork, not this process, is what a runaway compilation ends: the next trial needs no new start. It takes no core from the
scheduler (`NICENESS`), and a burst of trials shares what is left, so that small guides pass large ones.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import signal
import socket
from dataclasses import asdict, dataclass
from typing import Any

NICENESS = 10
OVERHEAD = 1.5  # xgrammar tells 6.3 MiB of a guide that adds 9.0 MiB to its process, with what the allocator loses
WALL_FACTOR = 6  # on a busy host the CPU seconds may take this much longer
NO_BACKEND = "this engine follows no guides: it has no grammar backend (see grammar_backend and the start of its log)"
# SGLang's name of each kind of guide.
_KEYS = {"json_schema": "json", "regex": "regex", "ebnf": "ebnf", "structural_tag": "structural_tag"}


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be compiled, and within what. kind, text: see `engine.types.Guide`. cpu_s: CPU seconds. memory: bytes."""

    kind: str
    text: str
    cpu_s: int
    memory: int

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Outcome:
    """size: bytes of the compiled guide. error: why it cannot be compiled. Neither: it took too much.

    dead: it compiled, and no output can satisfy it: it allows not even a first token.
    """

    size: int = 0
    error: str | None = None
    dead: bool = False

    @property
    def too_much(self) -> bool:
        return not self.size and self.error is None


def serve(channel: socket.socket, server_args: Any) -> None:
    """The process's function. Each message on `channel` carries one socket: a Trial is read from it, and an Outcome is written to it.

    A socket that is closed without an outcome means that the trial took too much. Ends when `channel` does.
    """
    import setproctitle
    from sglang.srt.utils import kill_itself_when_parent_died

    setproctitle.setproctitle("armature::guides")
    kill_itself_when_parent_died()
    backend = _backend(server_args)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    while True:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not descriptors:
            return
        if os.fork() == 0:
            try:
                channel.close()
                _try(backend, socket.socket(fileno=descriptors[0]))
            finally:
                os._exit(0)
        os.close(descriptors[0])


def _backend(server_args: Any) -> Any:
    """SGLang's own compiler of guides, as the scheduler makes it; but with no threads and no memory of earlier guides."""
    from functools import partial

    from sglang.srt.configs.model_config import ModelConfig
    from sglang.srt.constrained import xgrammar_backend
    from sglang.srt.constrained.base_grammar_backend import create_grammar_backend
    from sglang.srt.runtime_context import get_serving, publish
    from sglang.srt.utils.hf_transformers_utils import get_tokenizer

    logging.disable(logging.CRITICAL)  # SGLang logs whole guides that it refuses
    publish(server_args, role="tokenizer")
    xgrammar_backend.GrammarCompiler = partial(xgrammar_backend.GrammarCompiler, max_threads=1, cache_enabled=False)
    model = ModelConfig.from_server_args(server_args)
    tokenizer = get_tokenizer(
        get_serving().tokenizer_path, tokenizer_mode=get_serving().tokenizer_mode, trust_remote_code=server_args.trust_remote_code
    )
    return create_grammar_backend(server_args, tokenizer, model.vocab_size, model.hf_eos_token_id)


def _try(backend: Any, peer: socket.socket) -> None:
    """One trial, in a process of its own that may be killed at any time."""
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # a C++ program that runs out of memory says so
        os.dup2(silent, stream)
    parts = []
    while part := peer.recv(1 << 16):
        parts.append(part)
    trial = Trial(**json.loads(b"".join(parts)))
    os.nice(NICENESS)
    for which, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, trial.cpu_s),
        (resource.RLIMIT_DATA, _data_bytes() + trial.memory),
    ):
        resource.setrlimit(which, (limit, limit))
    signal.alarm(trial.cpu_s * WALL_FACTOR)
    try:
        outcome = _compiled(backend, trial)
    except MemoryError:
        outcome = Outcome()
    except Exception as e:  # what SGLang does not expect of a guide: TypeError, RecursionError, ...
        outcome = Outcome(error=f"{type(e).__name__}: {e}")
    peer.sendall(json.dumps(asdict(outcome)).encode())


def _compiled(backend: Any, trial: Trial) -> Outcome:
    """backend: None when SGLang was told to have none, or has none for this tokenizer."""
    if backend is None:
        return Outcome(error=NO_BACKEND)
    return _outcome(backend._init_value_dispatch((_KEYS[trial.kind], trial.text), False))


def _outcome(grammar: Any) -> Outcome:
    error = getattr(grammar, "error_message", None)
    if error is not None:
        return Outcome() if "bad_alloc" in error else Outcome(error=error)
    return Outcome(size=size_of(grammar), dead=_is_dead(grammar))


def _is_dead(grammar: Any) -> bool:
    """Whether no token may come first. Known of xgrammar's guides only; of others the scheduler finds out (`scheduler.dead_ends`)."""
    import torch
    from sglang.srt.constrained.xgrammar_backend import XGrammarGrammar

    if not isinstance(grammar, XGrammarGrammar):
        return False
    # Not `grammar.allocate_vocab_mask`: beside a GPU it pins memory, for which CUDA cannot be initialized in a fork.
    mask = torch.full((1, -(-grammar.vocab_size // 32)), -1, dtype=torch.int32)
    grammar.fill_vocab_mask(mask, 0)
    return not bool(mask.any())


def size_of(grammar: Any) -> int:
    """Bytes that a compiled guide of SGLang's takes of its process, as far as its backend knows; at least those of its text."""
    compiled = getattr(grammar, "ctx", None)
    size = getattr(compiled, "memory_size_bytes", 0)
    text = getattr(grammar, "key_string", None) or ""
    return max(1, int(size * OVERHEAD) + len(text))


def _data_bytes() -> int:
    """The private writable memory of this process, as RLIMIT_DATA counts it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmData:")) * 1024
