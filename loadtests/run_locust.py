"""Locust with this folder's locustfile: `./bazelw run //loadtests:locust -- -H URL --headless ...`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from locust.main import main

if __name__ == "__main__":
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))  # where the user stands: files are named from there
    sys.argv[1:1] = ["-f", str(Path(__file__).absolute().parent / "locustfile.py")]
    main()
