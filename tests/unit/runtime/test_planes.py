"""Planes: from the environment, and what the runtime is to find there."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from armature import env
from armature.errors import UserError
from armature.runtime.planes import LISTENERS, Planes, from_env, from_options, prepare, settings


def options(**given: str) -> Namespace:
    names = ("discovery", "discovery_dir", "request_plane", "event_plane", "plane_host")
    return Namespace(**{name: given.get(name) for name in names})


def test_embedded_by_default() -> None:
    assert from_env({}) == Planes("file", "tcp", "zmq", None)


def test_read_from_the_environment() -> None:
    named = {env.DYN_DISCOVERY: "etcd", env.DYN_REQUEST_PLANE: "nats", env.DYN_EVENT_PLANE: "nats", env.DYN_FILE_KV: "/a"}
    assert from_env(named) == Planes("etcd", "nats", "nats", Path("/a"))


def test_options_go_before_the_environment() -> None:
    named = {env.DYN_DISCOVERY: "etcd", env.DYN_FILE_KV: "/a"}
    planes = from_options(options(discovery="file", discovery_dir="/b", event_plane="nats"), named)
    assert planes == Planes("file", "tcp", "nats", Path("/b"))


@pytest.mark.parametrize(("field", "value", "guess"), [("discovery", "ectd", "etcd"), ("request", "tpc", "tcp"), ("event", "zmp", "zmq")])
def test_wrong_names_are_refused_with_the_nearest(field: str, value: str, guess: str) -> None:
    with pytest.raises(UserError, match=f"did you mean '{guess}'"):
        Planes(**{field: value})


def test_listens_on_loopback_unless_the_user_named_an_address() -> None:
    assert {settings(Planes(), {})[name] for name in LISTENERS} == {"127.0.0.1"}
    kept = settings(Planes(), {env.DYN_TCP_RPC_HOST: "10.0.0.5"})
    assert kept[env.DYN_TCP_RPC_HOST] == "10.0.0.5" and kept[env.DYN_EVENT_PLANE_HOST] == "127.0.0.1"
    named = from_options(options(plane_host="10.0.0.6"), {})
    assert {settings(named, {env.DYN_TCP_RPC_HOST: "10.0.0.5"})[name] for name in LISTENERS} == {"10.0.0.6"}


def test_prepare_makes_the_folder_and_fills_the_environment(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    prepare(Planes(file_kv=tmp_path / "a" / "b"), environ)
    assert (tmp_path / "a" / "b").is_dir()
    assert environ[env.DYN_FILE_KV] == str(tmp_path / "a" / "b") and environ[env.DYN_DISCOVERY] == "file"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=str(tmp_path / "file" / "kv")):
        prepare(Planes(file_kv=tmp_path / "file" / "kv"), {})
