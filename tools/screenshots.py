"""Pictures of the report for the docs: a real sweep of a tiny model on this machine, opened in headless Chromium.

    python tools/screenshots.py                          measures what is not up to date (some 7 minutes), then takes the pictures
    python tools/screenshots.py runs/sweep-0a1b2c3d      takes pictures of what was measured before

The figures in them are of the machine that the script ran on, and compare nothing.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from armature import env
from armature.cli import main as armature
from chromium import Page, browser

NAME = "screenshots"  # of the sweep under runs/
SWEEP = ("agg,disagg,dp", "+model=tiny-qwen3", "load.concurrency=1,4,16", "load.count=null", "load.time_s=30")
FOLDER = Path(__file__).parents[1] / "docs/img"
MOST_BYTES = 150_000


@dataclass(frozen=True)
class Picture:
    """A part of the report at one width. file: its name. selector: CSS, of what it shows. most_height: in pixels, from the top."""

    file: str
    width: int
    selector: str
    most_height: int | None = None


PICTURES = (
    Picture("report.png", 1400, "body", 1140),
    Picture("report-narrow.png", 420, "body", 1640),
    Picture("report-trade-offs.png", 1400, "#trade-offs"),
    Picture("report-distributions.png", 1400, "#distributions"),
    Picture("report-over-time.png", 1400, "#over-time-2"),
)


def compact(png: bytes) -> bytes:
    """The same picture in fewer bytes: with a palette, as plots and text have few colours. MAXCOVERAGE keeps those of thin lines."""
    out = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return out.getvalue()


async def take(page: Page, report: Path, folder: Path) -> None:
    """Take all pictures. Raises ValueError for one that is too large to be part of a repository."""
    for picture in PICTURES:
        await page.open(report, picture.width)
        png = compact(await page.picture(picture.selector, most_height=picture.most_height))
        if len(png) > MOST_BYTES:
            raise ValueError(f"{picture.file} has {len(png)} bytes, more than {MOST_BYTES}: show less of the page")
        (folder / picture.file).write_bytes(png)
        print(f"wrote {folder / picture.file}: {len(png) / 1024:.0f} KiB")


async def _of(report: Path) -> None:
    async with browser() as page:
        await take(page, report, FOLDER)


def main(argv: Sequence[str]) -> int:
    sweep = Path(argv[0]) if argv else env.runs_dir() / NAME
    if not argv and (code := armature(["bench", *SWEEP, "--name", NAME])):
        return code
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.html"
        if code := armature(["report", str(sweep), "--out", str(report)]):
            return code
        asyncio.run(_of(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
