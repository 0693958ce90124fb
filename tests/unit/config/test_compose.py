"""Composition: what users type becomes a deployment, and mistakes become errors that name the field and who set it."""

from __future__ import annotations

import re

import pytest
import yaml

from armature.config.compose import compose
from armature.config.folder import conf_dir, groups
from armature.config.runtime import Runtime
from armature.config.topology import RoleGroup
from armature.errors import UserError


def failure(*words: str) -> UserError:
    with pytest.raises(UserError) as caught:
        compose(words)
    return caught.value


@pytest.mark.parametrize("word", ["model=tiny-qwen3", "+model=tiny-qwen3", "++model=tiny-qwen3"])
def test_a_model_is_named_with_or_without_a_plus(word: str) -> None:
    assert compose([word]).deployment.model.served_name == "tiny-qwen3"


@pytest.mark.parametrize("model", [m for m in groups(conf_dir())["model"] if m != "custom"])
@pytest.mark.parametrize("hardware", groups(conf_dir())["hardware"])
def test_every_model_composes_with_every_hardware(model: str, hardware: str) -> None:
    deployment = compose([f"model={model}", f"hardware={hardware}"]).deployment
    assert (deployment.model.name, deployment.hardware.name) == (model, hardware)


# What some choices cannot do without.
NEEDED = {
    "topology=external": ["url=http://127.0.0.1:1", "load=closed"],
    "load=trace": [f"load.trace={__file__}"],
    "profile=torch": ["load=closed"],
    "profile=pyspy": ["load=closed"],
    "profile=nsys": ["hardware=cuda"],
}


@pytest.mark.parametrize("group", ["topology", "runtime", "launcher", "experiment", "load", "profile"])
def test_every_choice_of_every_group_composes(group: str) -> None:
    for name in groups(conf_dir())[group]:
        compose(["model=tiny-qwen3", f"{group}={name}", *NEEDED.get(f"{group}={name}", [])])


@pytest.mark.parametrize("topology", groups(conf_dir())["topology"])
def test_every_field_of_a_role_can_be_set_in_every_topology(topology: str) -> None:
    """Hydra refuses to set what a file does not mention, so each file mentions all."""
    roles = yaml.safe_load((conf_dir() / f"topology/{topology}.yaml").read_text())["roles"]
    assert {name: sorted(role) for name, role in roles.items()} == {name: sorted(RoleGroup.model_fields) for name in roles}


def test_an_experiment_overrides_the_topology() -> None:
    deployment = compose(["model=tiny-qwen3", "experiment=two_workers"]).deployment
    assert deployment.topology.roles["worker"].replicas == 2


def test_an_override_wins_over_an_experiment() -> None:
    deployment = compose(["model=tiny-qwen3", "experiment=two_workers", "topology.roles.worker.replicas=3"]).deployment
    assert deployment.topology.roles["worker"].replicas == 3


def test_engine_args_merge_from_hardware_to_group() -> None:
    words = [
        "model=tiny-qwen3",
        "engine.args.max_running_requests=4",
        "topology.roles.worker.engine.args.max_running_requests=2",
        "+engine.args.log_level=error",
    ]
    args = compose(words).deployment.engine_args("worker")
    assert (args["max_running_requests"], args["log_level"], args["device"]) == (2, "error", "cpu")


def test_null_takes_a_flag_back() -> None:
    args = compose(["model=tiny-qwen3", "engine.args.max_total_tokens=null"]).deployment.engine_args("worker")
    assert "max_total_tokens" not in args


def test_custom_model_is_named_after_its_path() -> None:
    assert compose(["model.path=Qwen/Qwen3-0.6B"]).deployment.model.served_name == "Qwen3-0.6B"


def test_environment_values_become_text() -> None:
    deployment = compose(["model=tiny-qwen3", "topology.roles.worker.env.OMP_NUM_THREADS=2"]).deployment
    assert deployment.topology.roles["worker"].env == {"OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize(
    ("words", "what", "where", "fix"),
    [
        (["model=tiny-qwen"], "there is no model 'tiny-qwen'", "the override 'model=tiny-qwen'", "model=tiny-qwen3"),
        (["+model=nope/nope"], "there is no model", "the override '+model=nope/nope'", "model.path=nope/nope"),
        (["model=tiny-qwen3", "topology=ag"], "there is no topology 'ag'", "'topology=ag'", "topology=agg"),
        (["model=tiny-qwen3", "frontend.prot=1"], "frontend.prot: there is no such field", "'frontend.prot=1'", "frontend.port"),
        (["model=tiny-qwen3", "fronted.port=1"], "fronted: there is no such field", "'fronted.port=1'", "frontend.port"),
        (["model=tiny-qwen3", "engine.args.max_runing_requests=4"], "has no such flag", "max_runing_requests=4'", "max_running_requests"),
        (["model=tiny-qwen3", "engine.args.model_path=x"], "Armature sets this flag itself", "model_path=x'", "model.path"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(words: list[str], what: str, where: str, fix: str) -> None:
    error = failure(*words)
    assert what in error.what
    assert where in (error.where or "")
    assert fix in (error.fix or "")


@pytest.mark.parametrize(
    ("words", "expected_text"),
    [
        (["model=tiny-qwen3", "frontend.port=eighty"], "frontend.port"),
        (["model=tiny-qwen3", "frontend.port=70000"], "frontend.port: got 70000"),
        (["model=tiny-qwen3", "topology.roles.worker.replicas=0"], "topology.roles.worker.replicas"),
        (["model=tiny-qwen3", "engine.args.max_running_requests=many"], "a whole number"),
        (["model=tiny-qwen3", "engine.args.max_running_requests=true"], "a whole number"),
        (["model=tiny-qwen3", "engine.args.disable_radix_cache=1"], "true or false"),
        (["model=tiny-qwen3", "engine.args.schedule_policy=fffs"], "one of"),
        (["model=tiny-qwen3", "model.weights=heavy"], "model.weights"),
        (["model=tiny-qwen3", "model.shape.num_attention_heads=3"], "must be a multiple of num_key_value_heads"),
        (["model=tiny-qwen3", "frontend.port=[1"], "cannot be read as an override"),
        ([], "no model is chosen"),
        (["model=tiny-qwen3", "agg"], "topology=agg"),
        (["model=tiny-qwen3", "~frontend.port"], "frontend.port=null"),
    ],
)
def test_a_wrong_value_is_refused_by_name(words: list[str], expected_text: str) -> None:
    assert expected_text in failure(*words).render()


def test_where_names_the_file_and_line_of_a_field_that_no_override_set(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import shutil

    conf = tmp_path / "conf"
    shutil.copytree(conf_dir(), conf)
    file = conf / "topology" / "agg.yaml"
    file.write_text(file.read_text().replace("replicas: 1", "replicas: none"))
    with pytest.raises(UserError) as caught:
        compose(["model=tiny-qwen3"], conf)
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "replicas" in text)
    assert caught.value.where == f"conf/topology/agg.yaml:{line}"


def test_all_wrong_fields_are_named_at_once() -> None:
    error = failure("model=tiny-qwen3", "frontend.port=x", "frontend.drain_s=y", "worker.egress=pus")
    assert [(e.what, e.where, e.expected, e.fix) for e in error.each] == [
        ("frontend.port: got 'x'", "the override 'frontend.port=x'", "a whole number", None),
        ("frontend.drain_s: got 'y'", "the override 'frontend.drain_s=y'", "a number", None),
        ("worker.egress: got 'pus'", "the override 'worker.egress=pus'", "'push' or 'pull'", "did you mean worker.egress=push?"),
    ]
    assert all(e.render() in error.render() for e in error.each)


@pytest.mark.parametrize("runtime", groups(conf_dir())["runtime"])
def test_every_field_of_a_runtime_can_be_set_in_every_runtime(runtime: str) -> None:
    """Hydra refuses to set what a file does not mention, so each file mentions all."""
    assert sorted(yaml.safe_load((conf_dir() / f"runtime/{runtime}.yaml").read_text())) == sorted(Runtime.model_fields)


@pytest.mark.parametrize(
    ("words", "uses_nats", "uses_etcd"),
    [
        (["runtime=embedded"], False, False),
        (["runtime=nats"], True, True),
        (["runtime=nats", "runtime.events=zmq"], False, True),
        (["runtime.events_durable=true"], True, False),
        (["runtime.requests=nats"], True, False),
        (["runtime=nats", "runtime.discovery=file", "runtime.nats_url=nats://10.0.0.5:4222"], True, False),
        (["runtime=nats", 'runtime.etcd_url="http://[::1]:2379"', "runtime.nats_url=tls://nats.example:4222"], True, True),
    ],
)
def test_a_runtime_says_which_servers_it_uses(words: list[str], uses_nats: bool, uses_etcd: bool) -> None:
    runtime = compose(["model=tiny-qwen3", *words]).deployment.runtime
    assert (runtime.uses_nats, runtime.uses_etcd) == (uses_nats, uses_etcd)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("runtime.nats_url=10.0.0.5:4222", "runtime.nats_url: '10.0.0.5:4222' has no known scheme; expected nats:// or tls://"),
        ("runtime.nats_url=http://h:4222", "expected nats:// or tls://"),
        ("runtime.nats_url=nats://h", "has no port; expected one such as nats://127.0.0.1:4222"),
        ("runtime.nats_url=nats://:4222", "has no host"),
        ("runtime.nats_url=nats://h:99999", "out of range"),
        ("runtime.nats_url=nats://me:secret@h:4222", "set NATS_AUTH_USERNAME and NATS_AUTH_PASSWORD in the environment"),
        ("runtime.etcd_url=nats://h:2379", "runtime.etcd_url: 'nats://h:2379' has no known scheme; expected http:// or https://"),
        ("runtime.etcd_url=http://h:2379/v3", "has more than scheme, host and port"),
        ("runtime.discovery=zookeeper", "runtime.discovery: got 'zookeeper'"),
    ],
)
def test_a_wrong_server_is_refused_by_field(word: str, said: str) -> None:
    error = failure("model=tiny-qwen3", "runtime=nats", word)
    assert said in error.what
    assert error.where == f"the override {word!r}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runtime.nats_url=nats://h:4222"], "nothing uses this server: requests=tcp, events=zmq, events_durable=false"),
        (["runtime=nats", "runtime.discovery=file", "runtime.etcd_url=http://h:2379"], "nothing uses this server: discovery=file"),
    ],
)
def test_a_server_that_nothing_would_use_is_refused(words: list[str], said: str) -> None:
    assert said in failure("model=tiny-qwen3", *words).what


@pytest.mark.parametrize(
    ("words", "said", "fix"),
    [
        (["observe=promtheus"], "there is no observe 'promtheus'", "did you mean observe=prometheus?"),
        (["observe.port=9090"], "this run starts none", "add observe=prometheus, or observe.port=0"),
        (["observe=prometheus", "observe.port=99999"], "observe.port: got 99999", None),
        (["observe=prometheus", "observe.scrape_s=0"], "observe.scrape_s: got 0", None),
        (["observe=prometheus", "observe.prot=9090"], "observe.prot: there is no such field", "did you mean observe.port?"),
    ],
)
def test_a_wrong_way_to_watch_is_refused(words: list[str], said: str, fix: str | None) -> None:
    error = failure("model=tiny-qwen3", *words)
    assert said in error.what
    assert fix is None or error.fix == fix


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("frontend.host=[::1]", "an address without a port takes no brackets; write ::1"),
        ("frontend.host=127.0.0.1:8000", "has more than a host"),
        ("disaggregation.host=http://node-1", "has more than a host"),
        ("disaggregation.host=1.2.3", "neither a name nor an address"),
    ],
)
def test_a_host_that_is_none_is_refused_with_its_field(word: str, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)) as caught:
        compose(["topology=agg", "model=tiny-qwen3", word])
    assert word.partition("=")[0] in caught.value.what and word in (caught.value.where or "")
