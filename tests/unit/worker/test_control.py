"""Commands: off unless asked for; only for who holds the token, names the host, is no page of a browser, and sends JSON."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from armature import control
from armature.errors import UserError
from armature.worker.control.profile import Start, below
from armature.worker.control.route import Body, Route
from armature.worker.control.server import ALL, LIMIT, ControlOptions, chosen, refusal, serving

TOKEN = "a-token"
GOOD = {"Host": "armature", "Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


class Told(Body):
    a: int | str | None = None
    wrong: int | None = None


class Routes:
    """Two commands that note what they are told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def named(self) -> tuple[Route, ...]:
        return Route("load", Told, self.load), Route("profile/start", Told, self.load)

    async def load(self, body: Told) -> dict[str, Any]:
        self.told.append(body.model_dump(exclude_unset=True))
        if body.wrong:
            raise ValueError("this cannot be")
        return {"told": self.told[-1]}


@asynccontextmanager
async def served(folder: Path, *routes: str) -> AsyncIterator[Routes]:
    found = Routes()
    async with serving(ControlOptions(routes, folder), found.named()):
        yield found


async def ask(
    folder: Path, headers: Mapping[str, str | None], body: bytes = b"{}", method: str = "POST", path: str = "/engine/load"
) -> int:
    """The status of a request whose headers are the good ones, with `headers` put over them; None leaves one out."""

    def blocking() -> int:
        given = {**GOOD, "Authorization": f"Bearer {(folder / control.TOKEN).read_text()}", **headers}
        connection = http.client.HTTPConnection("unused")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(folder / control.SOCKET))
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {**given, "Content-Length": str(len(body))}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        try:
            return connection.getresponse().status
        finally:
            connection.close()

    return await asyncio.to_thread(blocking)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "control"


async def test_who_holds_the_token_is_heard(folder: Path) -> None:
    async with served(folder, "load") as routes:
        answer = await asyncio.to_thread(control.call, folder, "load", {"a": 1}, 5)
    assert answer == {"told": {"a": 1}} and routes.told == [{"a": 1}]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Basic YTpi"}, 401),
        ({"Authorization": "Bearer tökén"}, 401),
        ({"Host": "127.0.0.1"}, 403),
        ({"Host": "rebound.example"}, 403),
        ({"Host": "armature:80"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://armature"}, 403),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": None}, 415),
    ],
    ids=str,
)
async def test_nobody_else_is(folder: Path, headers: dict[str, str | None], status: int) -> None:
    async with served(folder, ALL) as routes:
        assert await ask(folder, {k: v.encode().decode("latin-1") if v else v for k, v in headers.items()}) == status
        assert await ask(folder, {}) == 200
    assert routes.told == [{}], "only the good one"


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"null", b'"{}"', b"{", b"a=b", b"\xff"])
async def test_only_an_object_is_a_command(folder: Path, body: bytes) -> None:
    async with served(folder, ALL) as routes:
        assert await ask(folder, {}, body) == 400
    assert routes.told == []


async def test_a_wrong_field_is_named(folder: Path) -> None:
    async with served(folder, ALL) as routes:
        for body, said in (({"b": 1}, "b: Extra inputs"), ({"wrong": "1"}, "wrong: Input should be a valid integer")):
            with pytest.raises(control.Refused, match=said):
                await asyncio.to_thread(control.call, folder, "load", body, 5)
    assert routes.told == []


async def test_a_body_is_bounded(folder: Path) -> None:
    async with served(folder, ALL) as routes:
        assert await ask(folder, {}, b'{"a": "' + b"x" * LIMIT + b'"}') == 413
    assert routes.told == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_only_post_is_a_command(folder: Path, method: str) -> None:
    """OPTIONS is what a browser asks before it sends anything else than a form."""
    async with served(folder, ALL) as routes:
        assert await ask(folder, {}, method=method) == 405
    assert routes.told == []


@pytest.mark.parametrize("path", ["/engine/profile/start", "/engine/nosuch", "/load", "/", "/engine/", "/engine/../engine/profile/start"])
async def test_what_was_not_asked_for_is_off(folder: Path, path: str) -> None:
    async with served(folder, "load") as routes:
        assert await ask(folder, {}, path=path) == 404
    assert routes.told == []


async def test_without_control_there_is_nothing(tmp_path: Path) -> None:
    async with serving(None, Routes().named()):
        assert list(tmp_path.iterdir()) == []


async def test_a_command_that_cannot_be_is_refused_with_its_reason(folder: Path) -> None:
    async with served(folder, ALL):
        with pytest.raises(control.Refused, match="this cannot be") as caught:
            await asyncio.to_thread(control.call, folder, "load", {"wrong": 1}, 5)
    assert caught.value.status == 400


async def test_the_folder_is_closed_and_the_token_is_new_each_time(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    tokens = set()
    for _ in range(3):
        async with served(folder, ALL):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert stat.S_IMODE((folder / control.TOKEN).stat().st_mode) == 0o600
            tokens.add((folder / control.TOKEN).read_text())
        assert list(folder.iterdir()) == []
    assert len(tokens) == 3 and all(len(token) >= 43 for token in tokens), "256 bits each"


async def test_a_link_that_lies_there_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "mine").write_text("kept")
    (folder / control.TOKEN).symlink_to(tmp_path / "mine")
    async with served(folder, ALL):
        assert not (folder / control.TOKEN).is_symlink()
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
async def test_another_users_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setattr("os.geteuid", lambda: folder.stat().st_uid + 1)  # a sandbox has one user only, and chown fails there
    with pytest.raises(UserError, match="belongs to another user"):
        async with served(folder, ALL):
            pass


def test_a_route_that_the_role_does_not_have_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="profile/strat") as caught:
        chosen(["profile/strat"], Routes().named())
    assert "profile/start" in caught.value.render()


NAMES = st.sampled_from(["Host", "host", "Origin", "ORIGIN", "Authorization", "Content-Type", "Cookie"])
VALUES = st.one_of(st.text("a;: ,/\xff", max_size=8), st.sampled_from(list(GOOD.values())))


@given(st.sampled_from(["POST", "GET", "OPTIONS"]), st.dictionaries(NAMES, VALUES, max_size=7))
def test_only_all_that_is_right_together_is_heard(method: str, headers: dict[str, str]) -> None:
    given_ = CIMultiDict(headers)
    right = (
        method == "POST"
        and given_.get("host") == "armature"
        and "origin" not in given_
        and given_.get("authorization") == f"Bearer {TOKEN}"
        and given_.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    )
    assert (refusal(method, given_, TOKEN) is None) == right


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's directory with a way out of it."""
    root = tmp_path / "runs" / "agg" / "1"
    root.mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "dangling").symlink_to(tmp_path / "later")
    (tmp_path / "runs" / "agg" / "10").mkdir()
    return root


@pytest.mark.parametrize(
    "folder",
    [
        *(
            "/etc",
            "/tmp/x",
            "..",
            "../2",
            "a/../../2",
            "out",
            "out/x",
            "dangling",
            "dangling/x",
            ".",
            "",
            "a/..",
            "../10",
            "~/../../../x\0",
        ),
    ],
    ids=repr,
)
def test_nothing_is_written_outside_the_run(run: Path, folder: str) -> None:
    with pytest.raises(ValueError, match="folder"):
        below(run, folder)
    if folder and "\0" not in folder:
        with pytest.raises(ValueError, match="folder"):
            below(run, str(run / folder))


@pytest.mark.parametrize("folder", [None, 1, ["a"], {"a": 1}, ""], ids=repr)
def test_a_trace_needs_the_path_of_a_folder(folder: object) -> None:
    with pytest.raises(ValueError, match="folder"):
        Start.model_validate({"folder": folder})


def test_below_the_run_is_the_run(run: Path, tmp_path: Path) -> None:
    assert below(run, "results/profile/w") == run / "results/profile/w" == below(run, str(run / "results/profile/w"))
    linked = tmp_path / "linked"
    linked.symlink_to(run)
    assert below(linked, str(linked / "a")) == run / "a", "the run itself may be reached by a link"
    with pytest.raises(ValueError, match="folder"):
        below(None, "a")


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "/"]), max_size=8).map("/".join))
def test_whatever_is_accepted_lies_below(folder: str) -> None:
    root = Path("/nonexistent/runs/1")
    try:
        found = below(root, folder)
    except ValueError:
        return
    assert found != root and found.is_relative_to(root) and ".." not in found.parts


def test_the_body_of_an_answer_is_read(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        control.call(folder, "load", json.loads("{}"), 1)
