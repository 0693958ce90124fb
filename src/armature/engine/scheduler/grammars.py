"""What SGLang's grammar backends keep and how they compile, changed in three places.

Their cache, which keeps every guide that was ever compiled, becomes one of bounded size, and xgrammar's own beside it is off.
Their compiling threads run only when nothing else wants the core. And the scheduler, which looks for compiled guides before each
step, looks instead of waiting: SGLang's 5 ms would go into every token of everybody while a guide compiles.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from armature import env, memory
from armature.engine.guides.compiler import NICENESS, size_of
from armature.limits import DEFAULT_LIMITS

COMPILERS = 2  # guides that compile at once; each uses up to 8 threads of xgrammar's
LOOK_S = 0.0005
# After this many looks SGLang gives a guide up. It passed a trial: this is for a host that does nothing else for minutes.
LOOKS = 600_000

Key = tuple[str, str]


class GuideCache:
    """SGLang's cache of compiled guides: those used last, up to `limit` bytes. It is the scheduler's thread that asks it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sizes = 0
        self._kept: OrderedDict[Key, tuple[Any, int]] = OrderedDict()

    def get(self, key: Key) -> Any:
        """The guide, from now on the last used; None when it is not kept."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def __setitem__(self, key: Key, guide: Any) -> None:
        if key in self._kept:
            self._sizes -= self._kept.pop(key)[1]
        size = sum(map(len, key)) + size_of(getattr(guide, "grammar", None) or guide)  # a reasoner's guide is around another
        self._kept[key] = guide, size
        self._sizes += size
        dropped = False
        while self._sizes > self._limit:
            _, (_, size) = self._kept.popitem(last=False)
            self._sizes -= size
            dropped = True
        if dropped:
            memory.return_all()  # with several compiling threads the C library keeps much of it otherwise

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._sizes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of what is kept."""
        return self._sizes


def install() -> None:
    """Change SGLang's backends in this process. Once, before its scheduler is made."""
    from sglang.srt.constrained import xgrammar_backend
    from sglang.srt.constrained.base_grammar_backend import BaseGrammarBackend

    limit = int(os.environ.get(env.GUIDE_CACHE_MB, DEFAULT_LIMITS.guide_cache_mb)) << 20

    def init(self: Any) -> None:
        self.executor = ThreadPoolExecutor(COMPILERS, "guides", initializer=_step_back)
        self.cache = GuideCache(limit)

    BaseGrammarBackend.__init__ = init
    xgrammar_backend.GrammarCompiler = functools.partial(xgrammar_backend.GrammarCompiler, cache_enabled=False)
    os.environ.setdefault(env.SGLANG_GRAMMAR_LOOK, str(LOOK_S))
    os.environ.setdefault(env.SGLANG_GRAMMAR_LOOKS, str(LOOKS))


def _step_back() -> None:
    """On Linux this is for the calling thread, and for the threads that it starts."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
