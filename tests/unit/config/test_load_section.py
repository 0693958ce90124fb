"""The load's section: what users set becomes the load generator's settings, and mistakes name the field."""

from __future__ import annotations

import pytest

from armature.config.compose import compose
from armature.config.folder import conf_dir, groups
from armature.errors import UserError
from armature_load.settings import from_data

TRACE = f"load.trace={__file__}"


@pytest.mark.parametrize("name", [n for n in groups(conf_dir())["load"] if n != "none"])
def test_the_load_generator_takes_the_settings_of_every_choice(name: str) -> None:
    load = compose(["model=tiny-qwen3", f"load={name}", *([TRACE] if name == "trace" else [])]).deployment.load
    settings = from_data(load.settings("tiny-qwen3", on_cpu=False))
    assert settings.model == "tiny-qwen3" and settings.shape.kind == load.kind


def test_what_is_set_arrives() -> None:
    words = ["load.rate=5", "load.input=uniform:3:9", "+load.prefix={groups: 2, length: 8}", "load.seed=7", "load.limits.cpu=0.5"]
    load = compose(["model=tiny-qwen3", "load=poisson", *words]).deployment.load
    settings = from_data(load.settings(None, on_cpu=False))
    assert (settings.shape.rate, settings.classes[0].input, settings.seed, settings.limits.cpu) == (5, "uniform:3:9", 7, 0.5)
    assert settings.classes[0].prefix is not None and settings.classes[0].prefix.groups == 2


@pytest.mark.parametrize(("on_cpu", "lag"), [(False, 0.5), (True, 100.0)])
def test_a_client_that_shares_its_cores_may_lag_more(on_cpu: bool, lag: float) -> None:
    load = compose(["model=tiny-qwen3", "load=closed"]).deployment.load
    assert from_data(load.settings(None, on_cpu)).limits.lag_p99_ms == lag


@pytest.mark.parametrize(("words", "ours", "server"), [([], True, "usage"), ([], False, "auto"), (["load.server=plain"], True, "plain")])
def test_our_frontend_counts_tokens_and_another_server_is_asked(words: list[str], ours: bool, server: str) -> None:
    load = compose(["model=tiny-qwen3", "load=closed", *words]).deployment.load
    assert from_data(load.settings(None, on_cpu=False, ours=ours)).server == server


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["load=closed", "load.rate=3"], "concurrency=null"),
        (["load=closed", "load.count=null"], "this load never ends"),
        (["load=trace"], "trace"),
        (["load=trace", "load.trace=/nowhere"], "load.trace: there is no file '/nowhere'"),
        (["load=closed", "load.input=many"], "load.input: got 'many'"),
        (["topology=embedding", "load=closed"], "load.user: topology=embedding does not answer completions"),
        (["topology=embedding", "load=closed"], "add load.user=embeddings"),
        (["topology=agg", "load=closed", "load.user=embeddings"], "topology=agg does not answer embeddings"),
        (["load=closed", "load.turns=2"], "load.turns: completions has no conversations"),
        (["load=closed", "load.warmup.count=-1"], "load.warmup.count"),
        (["load=steps", "load.concurrency=3"], "steps replace concurrency"),
        (["load=closed", "load.id_range=[9,3]"], "id_range"),
        (["load=closed", "load.concurency=3"], "did you mean load.concurrency"),
        (["topology=external", "load=closed"], "url=http"),
        (["topology=external", "url=http://h:1"], "topology=external needs a load"),
        (["topology=external", "url=h:1", "load=closed"], "url: 'h:1' is not the address"),
        (["url=http://h:1", "load=closed"], "add topology=external"),
        (["profile=torch"], "fix: add load=closed"),
        (["profile=nsys", "load=closed"], "hardware=cpu has none"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        compose(["model=tiny-qwen3", *words])
    assert message in caught.value.render()
