"""One logging set-up for this project's lines and the runtime's."""

from __future__ import annotations

import logging
import os
import sys
import time

from armature import env


class _Utc(logging.Formatter):
    converter = time.gmtime


def configure() -> None:
    """Log to stderr, one line per record, and keep the runtime to warnings unless DYN_LOG says otherwise.

    The runtime writes a dozen lines per request at its own default level, info.
    """
    os.environ.setdefault(env.DYN_LOG, "warn")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Utc("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"))
    ours = logging.getLogger("armature")
    ours.handlers[:] = [handler]
    ours.propagate = False
    ours.setLevel(os.environ.get(env.LOG_LEVEL, "info").upper())
