"""Options of the frontend: router modes, the environment that the runtime finds, the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature import env
from armature.cli.frontend import parser, read_options
from armature.errors import UserError
from armature.runtime.frontend import FrontendOptions, prepare_environment, router_mode, router_modes, snake_case
from armature.runtime.planes import Planes


@pytest.mark.parametrize(("name", "snake"), [("KV", "kv"), ("RoundRobin", "round_robin"), ("PowerOfTwoChoices", "power_of_two_choices")])
def test_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_router_modes_are_the_runtimes() -> None:
    assert set(router_modes()) == {"round_robin", "random", "power_of_two_choices", "kv", "direct", "least_loaded", "device_aware_weighted"}
    help_text = parser().format_help()
    assert all(name in help_text.replace("\n", "").replace(" ", "") for name in router_modes())


def test_a_wrong_mode_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'round_robin'"):
        router_mode("roundrobin")


def test_the_drain_bounds_the_runtimes_own(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    prepare_environment(FrontendOptions(drain_s=7.0, planes=Planes(file_kv=tmp_path)), environ)
    assert environ[env.DYN_HTTP_DRAIN_S] == "7"
    assert environ[env.DYN_HTTP_LIVE_PATH] != "/live"


@pytest.mark.parametrize(("admin", "closed"), [(False, "1"), (True, "0")])
def test_the_admin_routes_are_closed_unless_asked_for(admin: bool, closed: str) -> None:
    environ = {env.DYN_HTTP_NO_ADMIN: "0"}
    prepare_environment(FrontendOptions(admin=admin), environ)
    assert environ[env.DYN_HTTP_NO_ADMIN] == closed


def test_bodies_are_bounded_whatever_the_environment_says() -> None:
    environ = {env.DYN_HTTP_BODY_MB: "4000"}
    prepare_environment(FrontendOptions(body_mb=3), environ)
    assert environ[env.DYN_HTTP_BODY_MB] == "3"


def test_the_users_peek_stays() -> None:
    environ = {env.DYN_HTTP_ERROR_PEEK_MS: "5"}
    prepare_environment(FrontendOptions(), environ)
    assert environ[env.DYN_HTTP_ERROR_PEEK_MS] == "5"


def test_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (env.DYN_DISCOVERY, env.DYN_FILE_KV, env.DYN_REQUEST_PLANE, env.DYN_EVENT_PLANE):
        monkeypatch.delenv(name, raising=False)
    assert read_options(parser().parse_args([])) == FrontendOptions()
    words = [
        "--http-host",
        "::1",
        "--http-port",
        "9",
        "--router-mode",
        "kv",
        "--migration-limit",
        "2",
        "--drain-s",
        "1.5",
        "--event-plane",
        "nats",
    ]
    assert read_options(parser().parse_args(words)) == FrontendOptions(
        host="::1", port=9, router_mode="kv", migration_limit=2, drain_s=1.5, planes=Planes(event="nats")
    )
