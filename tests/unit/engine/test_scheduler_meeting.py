"""Data-parallel copies meet at files of their own, where ranks meet at a file."""

from __future__ import annotations

from armature import env
from armature.engine.scheduler import meet_apart


def test_each_copy_has_a_file_of_its_own() -> None:
    found = set()
    for rank in range(4):
        environ = {env.SGLANG_RENDEZVOUS: "file:///tmp/rendezvous-x/store"}
        meet_apart(rank, environ)
        found.add(environ[env.SGLANG_RENDEZVOUS])
    assert found == {f"file:///tmp/rendezvous-x/store-{rank}" for rank in range(4)}


def test_another_way_of_meeting_stays() -> None:
    for environ in ({}, {env.SGLANG_RENDEZVOUS: "env://"}):
        before = dict(environ)
        meet_apart(1, environ)
        assert environ == before
