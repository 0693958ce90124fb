"""A page in headless Chromium: what it became, what its console said, what it asked the network for."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from chromium import WITHOUT, program

CHROMIUM = program()
_CONSOLE = re.compile(r'CONSOLE[:(]\d+[^"]*"(.*)", source: (\S+)')


@dataclass(frozen=True)
class Opened:
    """dom: the page's HTML after its scripts ran. console: what they and the browser wrote about it. asked: addresses, without files."""

    dom: str
    console: list[str]
    asked: list[str]


def open_page(file: Path, scratch: Path, timeout_s: float = 60) -> Opened:
    """Open a file and let its scripts run to their end."""
    assert CHROMIUM, WITHOUT
    log = scratch / "net.json"
    ran = subprocess.run(
        [
            CHROMIUM,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--window-size=1360,2000", "--virtual-time-budget=10000", "--dump-dom", "--enable-logging=stderr"),
            *(f"--user-data-dir={scratch / 'profile'}", f"--log-net-log={log}", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=timeout_s,
        env={"HOME": str(scratch), "PATH": "/usr/bin:/bin"},
    )
    said = [m[1] for m in _CONSOLE.finditer(ran.stderr) if "chrome://" not in m[0]]  # the browser's own pages are not ours
    return Opened(ran.stdout, said, _addresses(log))


def _addresses(log: Path) -> list[str]:
    """What pages asked for, from Chromium's own log of its network; the browser's own business has no initiator."""
    text = log.read_text()
    events = json.loads(text if text.rstrip().endswith("}") else text.rstrip().rstrip(",") + "]}")["events"]
    asked = [e["params"] for e in events if "url" in e.get("params", {}) and e["params"].get("initiator") not in (None, "not an origin")]
    return sorted({p["url"] for p in asked if not p["url"].startswith(("file:", "data:", "blob:"))})
