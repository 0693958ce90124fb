"""A worker's control routes: off unless asked for, and closed to all but the run's own user who holds its token.

The runtime's system server has such routes, too, but it hands on a request's body alone: whoever reaches its port gives commands, a
page in a browser among them. These are served here instead, and nothing of them on any port. See docs/decisions/0008-control.md.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from armature.control import HOST, PATH, SOCKET, TOKEN
from armature.errors import UserError, nearest, problems
from armature.worker.control.route import Route

if TYPE_CHECKING:
    from aiohttp.web import Request, Response

ALL = "all"
LIMIT = 1 << 20  # bytes of a request's body


@dataclass(frozen=True, slots=True)
class ControlOptions:
    """routes: the names of those that are open; ALL opens every one. folder: of the socket and the token, made by the server."""

    routes: tuple[str, ...]
    folder: Path


@contextlib.asynccontextmanager
async def serving(options: ControlOptions | None, routes: Sequence[Route]) -> AsyncIterator[None]:
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


def chosen(names: Sequence[str], routes: Sequence[Route]) -> dict[str, Route]:
    """The routes of these names. Raises UserError for one that there is not."""
    known = {route.name: route for route in routes}
    for name in names:
        if name not in known and name != ALL:
            guess = nearest(name, known)
            raise UserError(
                f"this role has no control route {name!r}",
                where="--control",
                expected=", ".join((*sorted(known), ALL)),
                fix=f"did you mean {guess!r}?" if guess else None,
            )
    return {name: route for name, route in known.items() if ALL in names or name in names}


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


async def _answer(request: Request, token: str, routes: Mapping[str, Route]) -> tuple[int, dict[str, Any]]:
    if refused := refusal(request.method, request.headers, token):
        return refused[0], {"error": refused[1]}
    route = routes.get(request.path.removeprefix(PATH)) if request.path.startswith(PATH) else None
    if route is None:
        return 404, {"error": f"{request.path}: no such route, or it is off", "routes": sorted(routes)}
    try:
        return 200, await route.answer(route.body.model_validate_json(await request.read()))
    except ValidationError as e:
        return 400, {"error": problems(e, "body")}
    except ValueError as e:
        return 400, {"error": str(e)}


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
