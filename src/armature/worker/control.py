"""A worker's control routes: off unless asked for, and closed to all but the run's own user who holds its token.

The runtime's system server has such routes, too, but it hands on a request's body alone: whoever reaches its port gives commands, a
page in a browser among them. These are served here instead, and nothing of them on any port. See docs/decisions/0008-control.md.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armature.control import HOST, PATH, SOCKET, TOKEN
from armature.errors import UserError, nearest

if TYPE_CHECKING:
    from aiohttp.web import Request, Response

    from armature.worker.roles.base import ControlRoute

ALL = "all"
LIMIT = 1 << 20  # bytes of a request's body


@dataclass(frozen=True, slots=True)
class ControlOptions:
    """routes: the names of those that are open; ALL opens every one. folder: of the socket and the token, made by the server."""

    routes: tuple[str, ...]
    folder: Path


@contextlib.asynccontextmanager
async def serving(options: ControlOptions | None, routes: Mapping[str, ControlRoute]) -> AsyncIterator[None]:
    """Serve the routes that are asked for meanwhile; nothing where none is. Raises UserError for one that the role does not have."""
    if options is None:
        yield
        return
    opened = chosen(options.routes, routes)
    from aiohttp import web

    token = _fresh(options.folder)

    async def answer(request: Request) -> Response:
        status, said = await _answer(request, token, opened)
        return web.json_response(said, status=status)

    app = web.Application(client_max_size=LIMIT)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(options.folder / SOCKET)).start()
        yield
    finally:
        await runner.cleanup()
        for name in (SOCKET, TOKEN):
            (options.folder / name).unlink(missing_ok=True)


def chosen(names: Sequence[str], routes: Mapping[str, ControlRoute]) -> dict[str, ControlRoute]:
    """The routes of these names. Raises UserError for one that there is not."""
    for name in names:
        if name not in routes and name != ALL:
            guess = nearest(name, routes)
            raise UserError(
                f"this role has no control route {name!r}",
                where="--control",
                expected=", ".join((*sorted(routes), ALL)),
                fix=f"did you mean {guess!r}?" if guess else None,
            )
    return {name: route for name, route in routes.items() if ALL in names or name in names}


def refusal(method: str, headers: Mapping[str, str], token: str) -> tuple[int, str] | None:
    """Why a request is not heard, as HTTP status and text; None when it is. headers: their names do not depend on case."""
    if headers.get("Host") != HOST:
        return 403, f"Host: expected {HOST}"
    if "Origin" in headers:
        return 403, "Origin: requests from web pages are refused"
    if method != "POST":
        return 405, "expected POST"
    given = headers.get("Authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {token}".encode()):
        return 401, f"Authorization: expected 'Bearer ' and the content of the file {TOKEN} beside this socket"
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        return 415, "Content-Type: expected application/json"
    return None


async def _answer(request: Request, token: str, routes: Mapping[str, ControlRoute]) -> tuple[int, dict[str, Any]]:
    if refused := refusal(request.method, request.headers, token):
        return refused[0], {"error": refused[1]}
    route = routes.get(request.path.removeprefix(PATH)) if request.path.startswith(PATH) else None
    if route is None:
        return 404, {"error": f"{request.path}: no such route, or it is off", "routes": sorted(routes)}
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return 400, {"error": "expected a JSON object"}
    try:
        return 200, await route(body)
    except (KeyError, TypeError, ValueError) as e:
        return 400, {"error": f"{type(e).__name__}: {e}"}


def _fresh(folder: Path) -> str:
    """A new token in `folder`, which is made, and closed to others."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise UserError(f"the control folder {folder} belongs to another user", where="--control-folder")
        folder.chmod(0o700)
        for name in (SOCKET, TOKEN):
            (folder / name).unlink(missing_ok=True)
        token = secrets.token_urlsafe(32)
        with open(os.open(folder / TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token)
    except OSError as e:
        raise UserError(f"the control folder {folder} cannot be created: {e.strerror}", where="--control-folder") from None
    return token


def below(root: Path | None, folder: object) -> Path:
    """`folder`, which a command names, if it lies below `root`, where alone commands may write. A relative one is taken from there.

    Links are followed first. Raises ValueError.
    """
    if root is None:
        raise ValueError("this worker has no folder that commands may write to (--control-writes)")
    if not isinstance(folder, str) or not folder or "\0" in folder:
        raise ValueError("folder: expected the path of a folder")
    home = root.resolve()
    wanted = (home / folder).resolve()
    if wanted == home or not wanted.is_relative_to(home):
        raise ValueError(f"folder: expected a folder below {root}")
    return wanted
