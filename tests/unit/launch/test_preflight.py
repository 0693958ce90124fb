"""Everything that is missing is said at once, by field, before anything starts."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from armature.address import is_literal
from armature.binding import look_up
from armature.config.compose import compose
from armature.config.modelref import locate
from armature.errors import UserError
from armature.graph import ports, rules
from armature.graph.hosts import Host
from armature.graph.node import HttpProbe, NamedHost, NamedServer, Requires
from armature.graph.place import Site, place
from armature.graph.plan import Plan, PlannedNode, PortBlock
from armature.graph.ports import CountingPorts, HostPorts
from armature.launch import finding, preflight
from armature.launch.preflight import check

PYTHON = (sys.executable, "-P")


def plan(tmp_path: Path, *nodes: dict[str, Any], **more: Any) -> Plan:
    made = tuple(
        PlannedNode.model_validate(
            {"name": f"n{i}", "kind": "service", "argv": PYTHON, "ready": HttpProbe(url="http://127.0.0.1:1"), **node}
        )
        for i, node in enumerate(nodes)
    )
    return Plan(name="t", hash="0", run_dir=tmp_path / "run", cache_dir=tmp_path, tmp_dir=Path("/tmp/arm-t"), nodes=made, **more)


def problem(made: Plan) -> UserError:
    with pytest.raises(UserError) as caught:
        check(made)
    return caught.value


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up, by placement or by the launcher."""
    asked: list[str] = []

    def noted(host: str) -> Any:
        asked.extend([] if is_literal(host) else [host])
        return look_up(host)

    for module in (preflight, ports):
        monkeypatch.setattr(module, "look_up", noted)
    return asked


def test_everything_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    wanted = Requires(
        python=PYTHON,
        modules=("json", "armature.launch.supervised", "sglang_nosuch", "armature.nosuch", "locust_nosuch.part"),
        libraries=("libc.so.6", "libibverbs-nosuch.so.1"),
        programs=("py-spy-nosuch",),
        hosts=(NamedHost(field="disaggregation.host", host="nosuch.invalid"),),
    )
    node = {"requires": wanted, "env": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    e = problem(plan(tmp_path, {"argv": ("etcd-nosuch",)}, node, node))
    lost = "sglang_nosuch, armature.nosuch, locust_nosuch.part"
    assert "6 problems; nothing was started:" in e.what
    assert "  - node n0: there is no program 'etcd-nosuch'" in e.what
    assert "  - node n1: there is no program 'py-spy-nosuch'" in e.what
    assert f"  - nodes n1, n2: Python modules {lost} are not installed in {sys.executable}" in e.what
    assert "  - nodes n1, n2: native library libibverbs-nosuch.so.1 is not installed" in e.what
    assert e.what.count("disaggregation.host=nosuch.invalid: the name cannot be resolved: ") == 1


@pytest.mark.parametrize(
    ("wanted", "says", "fix"),
    [
        (Requires(python=PYTHON, modules=("torch", "nixl._api")), "not installed in", "pip install"),
        (Requires(python=("/nosuch/python",), modules=("json",)), None, None),  # its program is said to be missing instead
        (Requires(python=("false",), modules=("json",)), "cannot list its installed packages: exit code 1", None),
    ],
    ids=["known words", "no interpreter", "no answer"],
)
def test_what_an_interpreter_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Requires, says: str | None, fix: str | None
) -> None:
    empty = {"argv": PYTHON, "requires": wanted, "env": {"PYTHONPATH": "", "PYTHONHOME": ""}}
    if says is None:
        check(plan(tmp_path, {"requires": wanted}))
        return
    if "torch" in wanted.modules:
        empty["requires"] = wanted.model_copy(update={"python": (sys.executable, "-I", "-S")})  # an interpreter without packages
    e = problem(plan(tmp_path, empty))
    assert says in e.what and (fix is None or fix in (e.fix or ""))
    if fix:
        assert "requirements/cpu.lock" in (e.fix or "") and "nixl" in (e.fix or "")


def test_libraries_are_named_with_what_installs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("libibverbs.so.1", "libnuma.so.1")
    order = {"modules": [], "libraries": dict.fromkeys(names, "cannot open shared object file")}
    monkeypatch.setattr("armature.launch.requirements._ask", lambda asked: order)
    e = problem(plan(tmp_path, {"requires": Requires(python=PYTHON, libraries=names)}))
    assert e.what == "node n0: native libraries libibverbs.so.1, libnuma.so.1 are not installed"
    assert e.fix == "apt-get install libibverbs1 libnuma1"


def test_finding_a_module_imports_nothing() -> None:
    assert finding.find("pydoc_data.topics") is not None and "pydoc_data" not in sys.modules
    assert finding.find("pydoc_data.nosuch") is None and finding.find("nosuch.part") is None
    assert finding.why_not_loaded("libc.so.6") is None and "libnosuch" in (finding.why_not_loaded("libnosuch.so.9") or "")


def test_one_look_up_a_name_whoever_uses_it(tmp_path: Path, looked_up: list[str]) -> None:
    host = NamedHost(field="disaggregation.host", host="nosuch.invalid")
    node = {"requires": Requires(hosts=(host,)), "ports": {"bootstrap": PortBlock(first=8000, host="nosuch.invalid")}}
    servers = (
        NamedServer(field="runtime.nats_url", url="nats://nosuch.invalid:4222"),
        NamedServer(field="runtime.etcd_url", url="http://other.invalid:2379"),
    )
    e = problem(plan(tmp_path, node, node, servers=servers))
    assert sorted(looked_up) == ["nosuch.invalid", "other.invalid"]
    for field in ("disaggregation.host=nosuch.invalid", "runtime.nats_url=nosuch.invalid", "runtime.etcd_url=other.invalid"):
        assert e.what.count(field) == 1
    assert "port" not in e.what + (e.fix or ""), "advice about ports is for ports"


def test_an_address_of_another_machine_is_named_by_its_field(tmp_path: Path) -> None:
    host = NamedHost(field="frontend.host", host="192.0.2.1")
    block = PortBlock(first=8000, host="192.0.2.1", fixed=True)
    e = problem(plan(tmp_path, {"requires": Requires(hosts=(host,)), "ports": {"http": block}}))
    assert e.what == "frontend.host=192.0.2.1: this machine cannot listen there: Cannot assign requested address"
    assert "frontend.host=127.0.0.1" in (e.fix or "") and "port" not in (e.fix or "")


def test_a_server_elsewhere_need_not_be_this_machines(tmp_path: Path) -> None:
    """Its host resolves: what is wrong is that nothing answers."""
    e = problem(plan(tmp_path, servers=(NamedServer(field="runtime.nats_url", url="nats://127.0.0.1:1"),)))
    assert "Connection refused" in e.what


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_found_in_both_families(tmp_path: Path, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError as e:
        pytest.skip(f"nothing can listen on {host} here: {e}")
    with server:
        port = server.getsockname()[1]
        e = problem(plan(tmp_path, {"ports": {"http": PortBlock(first=port, host=host, fixed=True)}}))
    assert f"port {port} (http) on {host} is in use by pid " in e.what and "choose another: n0.port=" in (e.fix or "")


@pytest.mark.parametrize("host", ["nosuch.invalid", "192.0.2.1", "2001:db8::7"])
def test_a_plan_is_made_for_a_host_that_only_the_launcher_can_judge(tmp_path: Path, looked_up: list[str], host: str) -> None:
    """Ports that placement chooses included: nothing is looked up, and the launcher says what is wrong, of each field."""
    made = placed([f"disaggregation.host={host}", f"frontend.host={host}", "frontend.port=0"], HostPorts())
    assert made["prefill-0"].ports["bootstrap"].first and not looked_up
    e = problem(made)
    says = "the name cannot be resolved" if host == "nosuch.invalid" else "this machine cannot listen there"
    assert f"disaggregation.host={host}: {says}" in e.what and f"frontend.host={host}: {says}" in e.what
    assert looked_up == [host] * (host == "nosuch.invalid")


def placed(words: list[str], source: HostPorts | CountingPorts) -> Plan:
    deployment = compose(["topology=disagg", "model=tiny-qwen3", *words]).deployment
    graph = rules.build(deployment, locate(deployment.model, Path("/home/user")))
    site = Site(run_dir=Path("/r"), cache_dir=Path("/c"), tmp_dir=Path("/t"), hosts=(Host(source),), python=PYTHON)
    return place(graph, site)


def test_a_plan_is_made_where_nothing_is_installed() -> None:
    """A planning laptop: what is required is data, and nobody looks for it. It is no part of the hash."""
    made = placed(["disaggregation.host=10.0.0.7", "frontend.host=2001:db8::7"], CountingPorts())
    prefill = made["prefill-0"].requires
    assert "mooncake.engine" in prefill.modules and "libibverbs.so.1" in prefill.libraries and prefill.python == PYTHON
    assert prefill.hosts == (NamedHost(field="disaggregation.host", host="10.0.0.7"),)
    assert made.url == "http://[2001:db8::7]:8000"
    assert Plan.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("backend", "module"), [("nixl", "nixl._api"), ("mooncake", "mooncake.engine"), ("fake", None)], ids=lambda value: str(value)
)
def test_what_moves_caches_is_required_as_the_flag_says(backend: str, module: str | None) -> None:
    made = placed([f"+engine.args.disaggregation_transfer_backend={backend}"], CountingPorts())
    assert [m for m in made["decode-0"].requires.modules if m not in ("dynamo", "sglang", "torch")] == ([module] if module else [])
