"""Placement decides every port, GPU and path, the same way each time."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from armature import env
from armature.errors import UserError
from armature.graph.hosts import Host
from armature.graph.node import Graph, HttpProbe, Node, PortRequest
from armature.graph.place import Site, place
from armature.graph.plan import Plan
from armature.graph.ports import CountingPorts, HostPorts, is_free
from armature.graph.site import without_repeats


def node(name: str, *ports: PortRequest, argv: tuple[str, ...] = ("true",), gpus: int = 0, needs: tuple[str, ...] = ()) -> Node:
    return Node(name=name, kind="service", argv=argv, ports=ports, gpus=gpus, needs=needs, ready=HttpProbe(url="http://127.0.0.1:1/"))


def site(
    *hosts: Host, ports: CountingPorts | None = None, gpus: int = 0, visible: tuple[str, ...] | None = None, run: str = "/run/x"
) -> Site:
    only = Host(ports or CountingPorts(), gpus=gpus, visible=visible)
    return Site(run_dir=Path(run), cache_dir=Path("/c"), tmp_dir=Path("/t"), hosts=hosts or (only,), python=("py", "-P"))


def test_placeholders_are_filled() -> None:
    graph = Graph(name="g", nodes=(node("a", PortRequest(name="x"), argv=("${python}", "${run}/f", "--p=${port:a.x}")),))
    assert place(graph, site())["a"].argv == ("py", "-P", "/run/x/f", "--p=20000")


def test_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(UserError, match=r"port:b\.x"):
        place(Graph(name="g", nodes=(node("a", argv=("${port:b.x}",)),)), site())


def test_a_block_of_ports_stays_together() -> None:
    graph = Graph(name="g", nodes=(node("a", PortRequest(name="x", count=7)), node("b", PortRequest(name="x"))))
    plan = place(graph, site())
    assert (plan["a"].ports["x"].first, plan["b"].ports["x"].first) == (20000, 20007)


def test_a_chosen_port_never_meets_a_fixed_one() -> None:
    graph = Graph(name="g", nodes=(node("a", PortRequest(name="x")), node("b", PortRequest(name="x", fixed=20000))))
    assert place(graph, site())["a"].ports["x"].first == 20001


def test_two_owners_of_one_port_are_named() -> None:
    graph = Graph(name="g", nodes=(node("a", PortRequest(name="x", fixed=9)), node("b", PortRequest(name="y", fixed=9))))
    with pytest.raises(UserError, match=r"port 9 was given to both a\.x and b\.y"):
        place(graph, site())


def test_gpus_are_given_once() -> None:
    plan = place(Graph(name="g", nodes=(node("a", gpus=2), node("b", gpus=1))), site(gpus=3))
    assert (plan["a"].gpus, plan["b"].gpus) == ((0, 1), (2,))
    assert plan["a"].env["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_gpus_are_those_that_the_process_may_use() -> None:
    graph = Graph(name="g", nodes=(node("a", gpus=2), node("b", gpus=1)))
    plan = place(graph, site(gpus=3, visible=("5", "GPU-1", "2")))
    assert (plan["a"].env["CUDA_VISIBLE_DEVICES"], plan["b"].env["CUDA_VISIBLE_DEVICES"]) == ("5,GPU-1", "2")
    assert plan.hash == place(graph, site(gpus=3)).hash, "the same deployment on other GPUs"


def test_fewer_visible_gpus_than_needed_are_refused() -> None:
    with pytest.raises(UserError, match=r"needs 2 GPUs but CUDA_VISIBLE_DEVICES=3 gives 1: a \(2\)"):
        place(Graph(name="g", nodes=(node("a", gpus=2),)), site(gpus=2, visible=("3",)))


@pytest.mark.parametrize(("names", "expected"), [("2, 3", ("2", "3")), ("", ()), ("0,-1,1", ("0",)), (None, None)])
def test_visible_gpus_are_read_as_cuda_reads_them(names: str | None, expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if names is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    assert env.visible_gpus() == expected


def test_too_few_gpus_are_refused_with_who_wants_them() -> None:
    with pytest.raises(UserError, match=r"needs 3 GPUs but hardware\.gpus is 2: a \(2\), b \(1\)"):
        place(Graph(name="g", nodes=(node("a", gpus=2), node("b", gpus=1))), site(gpus=2))


def test_the_hash_leaves_out_run_directories_and_chosen_ports() -> None:
    graph = Graph(name="g", nodes=(node("a", PortRequest(name="x"), argv=("${run}", "${port:a.x}")),))
    one, two = place(graph, site()), place(graph, site(ports=CountingPorts(30000), run="/elsewhere"))
    assert one.hash == two.hash
    assert one["a"].argv != two["a"].argv


def test_the_hash_leaves_out_ports_that_the_user_chose() -> None:
    one, two = (place(Graph(name="g", nodes=(node("a", PortRequest(name="x", fixed=port)),)), site()).hash for port in (8000, 8001))
    assert one == two


def test_a_plan_survives_json() -> None:
    plan = place(Graph(name="g", nodes=(node("a", PortRequest(name="x")), node("b", needs=("a",)))), site())
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_dependents_are_found_through_others() -> None:
    plan = place(Graph(name="g", nodes=(node("a"), node("b", needs=("a",)), node("c", needs=("b",)), node("d"))), site())
    assert plan.dependents("a") == ("b", "c")


def test_a_taken_port_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free("127.0.0.1", server.getsockname()[1])


def test_host_ports_are_free_and_differ() -> None:
    source = HostPorts()
    first, second = source.take("127.0.0.1", 3), source.take("127.0.0.1", 1)
    assert second >= first + 3 or second < first
    assert all(is_free("127.0.0.1", first + i) for i in range(3))


def site_packages(root: Path, folder: str, *names: str) -> str:
    for name in names:
        (root / folder / name).mkdir(parents=True)
    return str(root / folder)


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        pytest.param(["a", "a-1.dist-info"], False, id="the same distribution"),
        pytest.param(["a", "a-2.dist-info"], True, id="another version"),
        pytest.param(["a", "a-1.dist-info", "mine"], True, id="something beside it"),
        pytest.param(["a"], True, id="modules of no distribution"),
    ],
)
def test_an_import_path_loses_only_folders_whose_distributions_another_one_has(names: list[str], kept: bool, tmp_path: Path) -> None:
    whole = site_packages(tmp_path, "whole", "a", "a-1.dist-info", "b", "b-1.dist-info", "c")
    one = site_packages(tmp_path, "one", *names)
    absent = str(tmp_path / "absent")
    assert without_repeats([one, absent, whole]) == [*([one] if kept else []), absent, whole]
