"""`./bazelw run //deploy:TARGET -- WORD ...`: the same as `armature COMMAND WORD ...`, on what Bazel built."""

from __future__ import annotations

import sys

from armature.cli import main

if __name__ == "__main__":  # processes that SGLang spawns import this file again
    sys.exit(main(sys.argv[1:]))
