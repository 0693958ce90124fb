"""One logging set-up for this project's lines and the runtime's."""

from __future__ import annotations

import logging
import os
import sys
import time

from armature import env

# The runtime's own level is info, a dozen lines per request. Two of its parts warn of what is ordinary with us: a model
# without images, and an endpoint that we had withdrawn before the end. One line per request, of `request_span`, stays:
# no filter of runtime 1.6.1 takes it out.
RUNTIME_LEVELS = "warn,mm_routing=error,dynamo_llm::local_model=error,dynamo_runtime::component::endpoint=error"


def configure() -> None:
    """Log to stderr, one line per record, and keep the runtime to warnings unless DYN_LOG says otherwise."""
    os.environ.setdefault(env.DYN_LOG, RUNTIME_LEVELS)
    if not sys.stderr.isatty():
        os.environ.setdefault(env.DYN_NO_COLOUR, "1")
    handler = logging.StreamHandler(sys.stderr)
    lines = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    lines.converter = time.gmtime  # as the runtime's lines
    handler.setFormatter(lines)
    ours = logging.getLogger("armature")
    ours.handlers[:] = [handler]
    ours.propagate = False
    ours.setLevel(os.environ.get(env.LOG_LEVEL, "info").upper())
