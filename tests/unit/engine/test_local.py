"""Which engines' processes meet at files of one host, and that the others' libraries stay on loopback."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from armature import env
from armature.engine import local


@dataclass
class Flags:
    """The fields of SGLang's ServerArgs that decide."""

    enable_dp_attention: bool = True
    nnodes: int = 1
    elastic_ep_backend: str | None = None
    nccl_port: int | None = None


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (Flags(), True),
        (Flags(enable_dp_attention=False), False),  # SGLang uses files itself
        (Flags(nnodes=2), False),
        (Flags(elastic_ep_backend="mooncake"), False),
    ],
)
def test_only_ranks_of_one_host_can_meet_at_files(flags: Flags, expected: bool) -> None:
    assert local.may_join(flags) == expected


def test_gloo_and_nccl_stay_on_loopback_unless_the_user_says_otherwise() -> None:
    environ = {env.GLOO_INTERFACE: "eth7"}
    local.on_loopback(Flags(), environ)
    assert environ == {env.GLOO_INTERFACE: "eth7", env.NCCL_INTERFACE: "lo", env.NCCL_RAS: "0"}
    environ = {}
    local.on_loopback(Flags(nnodes=2), environ)
    assert environ == {}
