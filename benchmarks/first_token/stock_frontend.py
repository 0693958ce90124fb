"""`armature frontend` with the runtime's listener as it comes: TCP_NODELAY is not set. For comparison only."""

from __future__ import annotations

import sys

import uvloop

from armature.cli.frontend import parser, read_options
from armature.runtime.frontend import run
from armature.runtime.listener import is_listening
from armature.runtime.logs import configure

if __name__ == "__main__":
    configure()
    sys.exit(uvloop.run(run(read_options(parser().parse_args()), tune_listener=is_listening)))
