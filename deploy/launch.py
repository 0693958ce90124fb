"""`./bazelw run //deploy:TOPOLOGY -- OVERRIDE ...`: the same as `armature up TOPOLOGY OVERRIDE ...`, on what Bazel built."""

from __future__ import annotations

import sys

from armature.cli import main

if __name__ == "__main__":  # processes that SGLang spawns import this file again
    sys.exit(main(["up", *sys.argv[1:]]))
