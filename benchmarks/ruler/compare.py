"""The same server measured by three clients: the load generator, NVIDIA's aiperf and SGLang's bench_serving.

Each runs alone, one after the other and several times round, with the same closed loop against the ruler. aiperf gets an
environment of its own (pip); bench_serving runs on this one, with the one package that it lacks. Writes
records/compare.json.

    python -m benchmarks.ruler.compare --tokenizer DIR       # any tokenizer's folder, for instance a tiny model's
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.common import facts
from benchmarks.common.records import measured_requests
from benchmarks.ruler.measured import LOCUSTFILE, load, ruler

from armature.engine.cpu import SITE

RECORD = Path(__file__).parent / "records" / "compare.json"
AIPERF = "aiperf==0.13.0"
CONCURRENCY, REQUESTS, INPUT, OUTPUT, GAP_MS = 8, 200, 128, 50, 5.0
LONGER = 600  # requests of a second run: the CPU time that it takes more is that of its further tokens
TTFT_MAY_DIFFER, RATE_MAY_DIFFER = 0.05, 0.03


@dataclass(frozen=True)
class Setup:
    """url: of the ruler. scratch: for this run alone. requests: how many. tools: the environments of the other clients."""

    url: str
    scratch: Path
    requests: int
    tokenizer: Path
    tools: Path


def ours(at: Setup) -> dict[str, float]:
    words = ["--concurrency", str(CONCURRENCY), "--count", str(at.requests), "--input", str(INPUT), "--output", str(OUTPUT)]
    load(at.url, at.scratch / "ours", "--warmup-count", str(CONCURRENCY), *words)
    found = measured_requests(at.scratch / "ours")
    assert len(found) == at.requests and all(r["ok"] for r in found), f"see {at.scratch / 'ours.log'}"
    took = max(r["ended"] for r in found) - min(r["started"] for r in found)
    return {
        "ttft_p50_ms": statistics.median(r["ttft_ms"] for r in found),
        "itl_mean_ms": statistics.fmean(g for r in found for g in r["gaps_ms"]),
        "tokens_per_s": sum(r["output_tokens"] for r in found) / took,
    }


def aiperf(at: Setup) -> dict[str, float]:
    out = at.scratch / "aiperf"
    words = ["profile", "-m", "ruler", "--url", at.url, "--endpoint-type", "completions", "--streaming", "--ui", "none"]
    words += ["--concurrency", str(CONCURRENCY), "--request-count", str(at.requests), "--warmup-request-count", str(CONCURRENCY)]
    words += ["--synthetic-input-tokens-mean", str(INPUT), "--synthetic-input-tokens-stddev", "0", "--use-server-token-count"]
    words += ["--output-tokens-mean", str(OUTPUT), "--output-tokens-stddev", "0", "--extra-inputs", "ignore_eos:true"]
    words += ["--tokenizer", str(at.tokenizer), "--output-artifact-dir", str(out), "--random-seed", "1"]
    _quiet([str(at.tools / "aiperf/bin/aiperf"), *words], at.scratch / "aiperf.log", {})
    found = json.loads(next(out.rglob("profile_export_aiperf.json")).read_text())
    return {
        "ttft_p50_ms": found["time_to_first_token"]["p50"],
        "itl_mean_ms": found["inter_token_latency"]["avg"],
        "tokens_per_s": found["output_token_throughput"]["avg"],
    }


def bench_serving(at: Setup) -> dict[str, float]:
    out = at.scratch / "bench_serving.jsonl"
    words = ["--backend", "sglang-oai", "--base-url", at.url, "--model", "ruler", "--tokenizer", str(at.tokenizer), "--disable-tqdm"]
    words += ["--dataset-name", "random-ids", "--random-input-len", str(INPUT), "--random-output-len", str(OUTPUT)]
    words += ["--random-range-ratio", "1", "--num-prompts", str(at.requests), "--max-concurrency", str(CONCURRENCY)]
    words += ["--warmup-requests", str(CONCURRENCY), "--output-file", str(out)]
    # This environment's packages come first, with the engine's stand-ins for a host without a GPU.
    environment = {"PYTHONPATH": os.pathsep.join([str(SITE), *(p for p in sys.path if p)]), "SGLANG_USE_CPU_ENGINE": "1"}
    python = str(at.tools / "bench_serving/bin/python")
    _quiet([python, "-m", "sglang.bench_serving", *words], at.scratch / "bench_serving.log", environment)
    found = json.loads(out.read_text().splitlines()[-1])
    return {"ttft_p50_ms": found["median_ttft_ms"], "itl_mean_ms": found["mean_itl_ms"], "tokens_per_s": found["output_throughput"]}


CLIENTS: dict[str, Callable[[Setup], dict[str, float]]] = {"ours": ours, "aiperf": aiperf, "bench_serving": bench_serving}


def _quiet(words: list[str], log: Path, environment: dict[str, str]) -> None:
    with log.open("wb") as out:
        done = subprocess.run(words, stdout=out, stderr=out, env=os.environ | environment, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed:\n{log.read_text()[-3000:]}")


def install(tools: Path) -> None:
    """Both environments, unless they are there."""
    for name, package in (("aiperf", AIPERF), ("bench_serving", "datasets")):
        if not (tools / name).exists():
            venv.create(tools / name, with_pip=True)
            subprocess.run([tools / name / "bin/python", "-m", "pip", "install", "--quiet", package], check=True)


def asked(client: Callable[[Setup], dict[str, float]], at: Setup) -> tuple[dict[str, float], float]:
    """What a client measured of a ruler of its own, beside what that sent, and the client's CPU seconds, its start and end included."""
    at.scratch.mkdir()
    log = at.scratch / "sent.json"
    with ruler(GAP_MS, log) as url:
        before = _children_cpu_s()
        found = client(replace(at, url=url))
        seconds = _children_cpu_s() - before
    sent = [r["sent_ms"] for r in json.loads(log.read_text())["requests"]]
    return found | {"sent_ttft_p50_ms": statistics.median(s[0] for s in sent)}, seconds


def _children_cpu_s() -> float:
    """CPU seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--tools", type=Path, help="where the environments are kept; a scratch folder otherwise")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in CLIENTS}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tools = (options.tools or scratch / "tools").absolute()
        install(tools)
        for k in range(options.rounds):
            for name, client in CLIENTS.items():
                at = Setup("", scratch / f"{k}-{name}", REQUESTS, options.tokenizer.absolute(), tools)
                found, seconds = asked(client, at)
                _, longer = asked(client, replace(at, scratch=scratch / f"{k}-{name}-long", requests=LONGER))
                found["client_cpu_us_per_token"] = (longer - seconds) * 1e6 / ((LONGER - REQUESTS) * OUTPUT)
                samples[name].append(found)
                print(k, name, {q: round(v, 2) for q, v in found.items()}, flush=True)
    medians = {name: {q: round(statistics.median(s[q] for s in runs), 2) for q in runs[0]} for name, runs in samples.items()}
    own = medians["ours"]
    differ = {
        name: {
            "ttft_p50": round(found["ttft_p50_ms"] / own["ttft_p50_ms"] - 1, 4),
            "tokens_per_s": round(found["tokens_per_s"] / own["tokens_per_s"] - 1, 4),
        }
        for name, found in medians.items()
        if name != "ours"
    }
    agree = {name: abs(d["ttft_p50"]) <= TTFT_MAY_DIFFER and abs(d["tokens_per_s"]) <= RATE_MAY_DIFFER for name, d in differ.items()}
    settings = {"concurrency": CONCURRENCY, "requests": REQUESTS, "longer": LONGER, "input": INPUT, "output": OUTPUT}
    settings |= {"gap_ms": GAP_MS, "aiperf": AIPERF, "locustfile": LOCUSTFILE.name, "rounds": options.rounds}
    record = {"hardware": facts.hardware(), "versions": facts.versions(), "settings": settings}
    record |= {"median": medians, "differ_from_ours": differ, "agree": agree, "samples": samples}
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({"median": medians, "differ_from_ours": differ, "agree": agree}, indent=1))


if __name__ == "__main__":
    main()
