"""`armature frontend` with the runtime's listener as it comes, for comparison only.

TCP_NODELAY is not set, and the status line does not wait for the first chunk: the two go out as two small writes, of
which Nagle's algorithm holds the second back.
"""

from __future__ import annotations

import os
import sys

import uvloop

from armature import env
from armature.cli.frontend import parser, read_options
from armature.runtime.frontend import run
from armature.runtime.listener import is_listening
from armature.runtime.logs import configure

if __name__ == "__main__":
    os.environ[env.DYN_HTTP_ERROR_PEEK_MS] = "0"
    configure()
    sys.exit(uvloop.run(run(read_options(parser().parse_args()), tune_listener=is_listening)))
