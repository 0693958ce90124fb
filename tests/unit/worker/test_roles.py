"""Roles are found by name, and the options of `armature worker` are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from armature import env, roles
from armature.cli.worker import read
from armature.errors import UserError
from armature.limits import RequestLimits
from armature.roles.kind import RoleKind
from armature.worker.roles import load


@pytest.mark.parametrize("name", roles.names())
def test_every_role_has_what_the_life_cycle_needs(name: str) -> None:
    assert callable(load(name).open_role)


@pytest.mark.parametrize("find", [roles.get, load])
def test_a_wrong_role_is_refused_with_the_nearest(find: Callable[[str], object]) -> None:
    with pytest.raises(UserError, match="did you mean 'aggregated'"):
        find("agregated")


@pytest.mark.parametrize("role", roles.every(), ids=lambda role: role.name)
def test_a_role_is_called_as_its_module_and_its_partners_exist(role: RoleKind) -> None:
    assert roles.get(role.name) is role and role.summary
    assert set(role.partners) <= set(roles.names())


def test_own_options_are_read_and_the_rest_goes_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(env.DYN_SYSTEM_PORT, raising=False)
    words = "aggregated --model-path /m/tiny --egress pull --device cpu --max-total-tokens 8192 --drain-s 3 --enable-metrics"
    settings, options, role = read(words.split())
    assert role == "aggregated" and settings.model_path == Path("/m/tiny") and settings.model_name == "tiny"
    assert settings.engine_args == ("--device", "cpu", "--max-total-tokens", "8192", "--enable-metrics")
    assert (options.egress, options.drain_s, options.system_port) == ("pull", 3.0, None)


def test_the_system_port_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(env.DYN_SYSTEM_PORT, "2345")
    assert read(["aggregated", "--model-path", "/m"])[1].system_port == 2345
    assert read(["aggregated", "--model-path", "/m", "--system-port", "99"])[1].system_port == 99


def test_limits_are_read_from_one_option() -> None:
    assert read(["aggregated", "--model-path", "/m"])[0].limits == RequestLimits()
    words = ["aggregated", "--model-path", "/m", "--request-limits", '{"stop_strings": 4, "guide_mb": 8}']
    assert read(words)[0].limits == RequestLimits(stop_strings=4, guide_mb=8)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"stop_string": 4}', "stop_string: Extra inputs"),
        ('{"stop_strings": "4"}', "stop_strings: Input should be a valid integer"),
        ('{"stop_strings": 33}', "stop_strings: Input should be less than or equal to 32"),
        ('{"guide_mb": 999}', "guide_mb=999 is more than guide_cache_mb=128"),
        ("4 apples", "JSON: Invalid JSON"),
    ],
)
def test_wrong_limits_are_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(["aggregated", "--model-path", "/m", "--request-limits", text])
