"""Wrong words and what is said of them: the right place, and the nearest name."""

from __future__ import annotations

import pytest

from armature.cli import main

MODEL = "+model=tiny-qwen3"
UP = ("up", "plan")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        # Commands and options.
        ("upp agg", ["there is no command 'upp'", "fix: did you mean `armature up`?"]),
        ("benhc agg", ["fix: did you mean `armature bench`?"]),
        *((f"{c} agg {MODEL} --dryrun", ["there is no option --dryrun", "fix: did you mean --dry-run?"]) for c in (*UP, "bench")),
        ("compare a b --formt=csv", ["fix: did you mean --format?"]),
        ("compare a b --format=cvs", ["argument --format: got 'cvs'", "fix: did you mean csv?"]),
        ("report a --oot x", ["fix: did you mean --out?"]),
        ("models mak", ["got 'mak'", "fix: did you mean make?"]),
        ("profile toch --out x", ["fix: did you mean torch?"]),
        ("flags max_runing", ["no flag of SGLang", "contains 'max_runing'", "fix: did you mean `armature flags max_"]),
        ("watch nosuch", ["there is no run 'nosuch'"]),
        # Topologies and other choices.
        *((f"{c} aggg {MODEL}", ["'aggg' is neither a topology nor KEY=VALUE", "fix: did you mean topology=agg?"]) for c in (*UP, "bench")),
        (f"bench agg,disag {MODEL}", ["'agg,disag'", "fix: did you mean topology=agg,disagg?"]),
        (f"up agg,disagg {MODEL}", ["there is no topology 'agg,disagg'", "armature bench topology=agg,disagg"]),
        ("up tiny-qwen3", ["fix: did you mean model=tiny-qwen3?"]),
        ("up agg tiny-qwen", ["fix: did you mean model=tiny-qwen3?"]),
        (
            f"up topolgy=agg {MODEL}",
            ["topolgy: there is no such field", "set in: the override 'topolgy=agg'", "fix: did you mean topology?"],
        ),
        (f"up agg {MODEL} hardware=cpuu", ["there is no hardware 'cpuu'", "fix: did you mean hardware=cpu?"]),
        (f"bench agg {MODEL} hydra/launcher=submitit_slrm", ["there is no launcher", "fix: did you mean hydra/launcher=submitit_slurm?"]),
        # Fields.
        (
            f"up agg {MODEL} topology.roles.wrker.replicas=2",
            [
                "topology.roles.wrker: there is no such field",
                "expected: one of worker",
                "fix: did you mean topology.roles.worker.replicas?",
            ],
        ),
        (f"up disagg {MODEL} topology.roles.prefil.env.X=2", ["fix: did you mean topology.roles.prefill.env.X?"]),
        (f"up agg {MODEL} topology.roles.worker.role=agregated", ["role 'agregated' does not exist", "fix: did you mean 'aggregated'?"]),
        (f"up agg {MODEL} topology.roles.worker.replica=2", ["fix: did you mean topology.roles.worker.replicas?"]),
        (f"up agg {MODEL} fronted.port=2", ["fronted: there is no such field", "fix: did you mean frontend.port?"]),
        (f"up agg {MODEL} frontend.port.x=2", ["frontend.port.x: there is no such field"]),
        (f"up agg {MODEL} port=2", ["port: there is no such field", "set in: the override 'port=2'"]),
        (f"up agg {MODEL} load=closed load.slo.ttf_ms=2", ["fix: did you mean load.slo.ttft_ms?"]),
        (f"bench agg {MODEL} load.slo.ttf_ms=1,2", ["fix: did you mean load.slo.ttft_ms?"]),
        ("summarize x --slo ttf_ms=2", ["--slo ttf_ms: there is no such name", "fix: did you mean --slo ttft_ms=2?"]),
        ("summarize x --slo ttft_ms=fast", ["--slo ttft_ms: got 'fast'", "expected: a number"]),
        ("summarize x --tolerance shar=0.5", ["fix: did you mean --tolerance share=0.5?"]),
        (f"up agg {MODEL} engine.args.max_runing_requests=2", ["fix: did you mean engine.args.max_running_requests?"]),
        (f"up agg {MODEL} engine.args.nccl_port=2", ["fix: remove it; the plan assigns this value"]),
        # Values.
        (f"up agg {MODEL} load.concurrency=1,2", ["load.concurrency has several values", "armature bench load.concurrency=1,2"]),
        (f"up agg {MODEL} runtime.discovery=fil", ["runtime.discovery: got 'fil'", "fix: did you mean runtime.discovery=file?"]),
        (f"up agg {MODEL} worker.egress=7", ["worker.egress: got 7", "expected: 'push' or 'pull'"]),
        # What belongs together.
        (f"up agg {MODEL} profile=torch", ["profile=torch needs a load", "set in: the override 'profile=torch'", "fix: add load=closed"]),
        (f"up agg {MODEL} profile=pyspy", ["profile=pyspy needs a load", "fix: add load=closed"]),
        ("up external url=http://h:1", ["topology=external needs a load", "fix: add load=closed"]),
        ("up external load=closed", ["topology=external measures an existing server", "fix: add url=http://HOST:PORT"]),
        ("up agg", ["no model is chosen", "fix: add model=tiny-qwen3"]),
        (
            f"up agg {MODEL} load=closed profile=torch profile.nodes=[worker-1]",
            ["there is no node 'worker-1'", "fix: did you mean profile.nodes=[worker-0]?"],
        ),
    ],
)
def test_a_wrong_word_gets_the_right_hint(words: str, said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    lines = capsys.readouterr().err.splitlines()
    for text in said:
        assert any(text in line for line in lines), lines
    assert all(line.startswith(("armature: ", "  set in: ", "  expected: ", "  fix: ")) for line in lines), "four parts, one line each"


def test_all_errors_of_one_kind_are_shown_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    cases = {
        "up agg +model=tiny-qwen3 frontend.prot=1 fronted.host=x topology.roles.wrker.gpus=1": 3,
        "up agg +model=tiny-qwen3 frontend.port=x frontend.drain_s=y load.count=-1": 3,
        "up agg +model=tiny-qwen3 engine.args.a=1 engine.args.nccl_port=2": 2,
        "up agg +model=tiny-qwen hardware=cpuu nonsense": 1,  # bare words first: they may name anything
        "up agg +model=tiny-qwen hardware=cpuu": 2,
        "bench agg +model=tiny-qwen3 hydra/launcher=submitit_slurm hydra.launcher.partitoin=a hydra.launcher.timeout_min=b": 2,
        "summarize x --slo ttf_ms=1 --slo itl_ms=fast": 2,
    }
    for words, count in cases.items():
        assert main(words.split()) == 2
        assert capsys.readouterr().err.count("armature: ") == count, words
