"""`python -m armature`."""

from __future__ import annotations

import sys

from armature.cli import main

if __name__ == "__main__":  # processes that SGLang spawns import this module again
    sys.exit(main())
