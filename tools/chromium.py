"""Headless Chromium, spoken to by its DevTools protocol: opens a page at any width, and takes pictures of parts of it."""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

WITHOUT = "no chromium on the PATH: apt-get install chromium"
_START_S, _ANSWER_S = 120.0, 120.0
_RECTANGLE = """(() => {
  const parts = [...document.querySelectorAll(%r)].map((part) => part.getBoundingClientRect());
  const left = Math.min(...parts.map((p) => p.left)), top = Math.min(...parts.map((p) => p.top));
  const right = Math.max(...parts.map((p) => p.right)), bottom = Math.max(...parts.map((p) => p.bottom));
  return [left + scrollX, top + scrollY, right - left, bottom - top];
})()"""


def program() -> str | None:
    """The browser's program; None where none is installed."""
    return next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


class Page:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def open(self, file: Path, width: int, height: int = 1000) -> None:
        """Open a file in a window of `width` CSS pixels, and wait until its scripts have drawn."""
        await self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        await self._ask("Page.navigate", url=file.as_uri())
        loaded = (
            "new Promise((ready) => { const look = () => document.readyState === 'complete' ? ready(1) : setTimeout(look, 50); look(); })"
        )
        await self.evaluate(loaded)
        await self.evaluate("new Promise((ready) => requestAnimationFrame(() => requestAnimationFrame(() => ready(1))))")

    async def evaluate(self, script: str) -> Any:
        """What an expression (or the promise that it is) becomes. Raises RuntimeError when it throws."""
        answer = await self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def picture(self, selector: str, margin: int = 8, most_height: int | None = None) -> bytes:
        """A PNG of the elements that `selector` names, together. most_height: in pixels, from their top."""
        x, y, width, height = await self.evaluate(_RECTANGLE % selector)
        clip = {
            "x": max(0.0, x - margin),
            "y": max(0.0, y - margin),
            "width": width + 2 * margin,
            "height": height + 2 * margin,
            "scale": 1,
        }
        clip["height"] = min(clip["height"], most_height or clip["height"])
        answer = await self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(answer["data"])

    async def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode((await self._ask("Page.printToPDF", preferCSSPageSize=True))["data"])

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=_ANSWER_S)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A browser with one page. Raises FileNotFoundError where none is installed."""
    found = program()
    if found is None:
        raise FileNotFoundError(WITHOUT)
    with tempfile.TemporaryDirectory() as scratch:
        process = await asyncio.create_subprocess_exec(
            found,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"),
            *("--remote-debugging-port=0", f"--user-data-dir={scratch}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={"HOME": scratch, "PATH": "/usr/bin:/bin"},
        )
        try:
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{await _port(Path(scratch))}/json/list") as answer:
                    target = next(t for t in await answer.json() if t["type"] == "page")
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    yield Page(socket)
        finally:
            process.terminate()
            await process.wait()


async def _port(scratch: Path) -> int:
    """The port that the browser has chosen, once it listens there."""
    file = scratch / "DevToolsActivePort"
    async with asyncio.timeout(_START_S):
        while not (file.exists() and "\n" in file.read_text()):
            await asyncio.sleep(0.05)
    return int(file.read_text().split("\n")[0])
