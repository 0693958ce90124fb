"""Hostile requests mixed with ordinary ones: does a worker die, is an ordinary request answered wrong, does memory grow?

    python -m benchmarks.soak.hostile [--topology agg,disagg,dp_attention] [--minutes 20] [--at-once] [--seed 0] \
        [--out benchmarks/soak/records/hostile]
    python -m benchmarks.soak.hostile --replay FILE --url http://127.0.0.1:8000

Each topology in turn, unless --at-once is given: `armature up` with the tiny model (agg: two workers), every ordinary request once
in quiet, then both sorts for the time, then every ordinary request once more. Writes record.json, README.md with its tables, and a
file for each fault below repro/, whose requests --replay sends again, one after the other. Exit code 1 when a promise is broken: see
README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common.facts import hardware, versions
from benchmarks.common.models import tiny_model
from benchmarks.common.serving import served
from tests.support.hostile import judge, mix
from tests.support.hostile.client import Address, ask
from tests.support.hostile.oracle import Case, cases
from tests.support.hostile.target import Target
from tests.support.hostile.watch import Watch, started
from tests.support.reference import Reference, prompts

WORDS = {"agg": ("experiment=two_workers",), "disagg": (), "dp_attention": ()}
# Schedulers keep compiled guides up to this size. It is full before memory is compared, as the default of 128 MiB would be after an hour.
GUIDES = ("requests.guide_mb=16", "requests.guide_cache_mb=16")
TARGETS = {
    "agg": Target("tiny-qwen3"),
    "disagg": Target("tiny-qwen3", pairs=True),
    "dp_attention": Target("tiny-qwen3", ranks=2),
}
PROMPTS = 24
JUDGED_FROM_MINUTES = 4.0  # below that, a quarter is too short for pools to fill


def main() -> int:
    a = options()
    if a.replay:
        return asyncio.run(replay(a.url, json.loads(a.replay.read_text())["suspects"]))
    a.out.mkdir(parents=True, exist_ok=True)
    known = ordinary(a.topology)
    record: dict[str, Any] = {"hardware": hardware(), "versions": versions(), "minutes": a.minutes, "topologies": {}}
    record["at_once"] = a.at_once
    with ThreadPoolExecutor(len(a.topology) if a.at_once else 1) as pool:
        soaks = list(pool.map(lambda topology: soak(topology, known[topology], a), a.topology))
    for topology, (found, faults) in zip(a.topology, soaks, strict=True):
        record["topologies"][topology] = found
        write_reproductions(a.out / "repro", topology, faults)
        print(f"{topology}: {found['ordinary_right_beside']} ordinary requests right beside {found['hostile_sent']}: {found['outcomes']}")
        print("\n".join(f"  broken: {line}" for line in found["broken"]) or "  every promise held", flush=True)
    (a.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    (a.out / "README.md").write_text(judge.page(record))
    return int(any(found["broken"] for found in record["topologies"].values()))


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--topology", type=_names, default=tuple(WORDS), help=f"any of {','.join(WORDS)}")
    p.add_argument("--minutes", type=float, default=20.0, help="for each topology")
    p.add_argument("--at-once", action="store_true", help="all topologies beside each other, on the same cores, not in turn")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--hostile", type=int, default=6, help="hostile clients at a time")
    p.add_argument("--ordinary", type=int, default=2, help="ordinary clients at a time")
    p.add_argument("--without", type=_names, default=(), help="kinds of hostile requests to leave out: field:seed,guide,...")
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "hostile")
    p.add_argument("--replay", type=Path, help="a file of repro/, whose requests are sent to --url")
    p.add_argument("--url", default="http://127.0.0.1:8000")
    return p.parse_args()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def ordinary(topologies: Iterable[str]) -> dict[str, list[Case]]:
    """The ordinary requests of each topology, from Hugging Face's model of the same weights."""
    from armature.engine.cpu import activate

    activate()  # Hugging Face's modelling code imports torchvision, which needs the same stand-in
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        truth = Reference(tiny_model(Path(folder)))
        asked = prompts(PROMPTS, longest=1500)
        return {topology: cases(truth, TARGETS[topology], asked) for topology in topologies}


def soak(topology: str, known: Sequence[Case], a: argparse.Namespace) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One topology's record and its faults."""
    attack = mix.Attack(a.minutes * 60, a.seed, a.hostile, a.ordinary, without=a.without)
    with served(a.out, topology, [topology, "+model=tiny-qwen3", "frontend.port=0", *GUIDES, *WORDS[topology]]) as (url, plan):
        events = (Path(plan["run_dir"]) / "events.jsonl").read_text().splitlines()
        watch = Watch(started(map(json.loads, events)))
        log = asyncio.run(mix.run(url, TARGETS[topology], known, watch, attack))
        long_enough = a.minutes >= JUDGED_FROM_MINUTES
        return judge.record(log, watch, long_enough), judge.reproductions(log)


def write_reproductions(folder: Path, topology: str, faults: Sequence[dict[str, Any]]) -> None:
    """One file for each fault."""
    folder.mkdir(exist_ok=True)
    for number, fault in enumerate(faults):
        (folder / f"{topology}-{number:03d}.json").write_text(json.dumps(fault, indent=1) + "\n")


async def replay(url: str, suspects: Sequence[dict[str, Any]]) -> int:
    """Send requests again, the first one last, because it was the one in flight. 1 when one gets a 5xx or no answer."""
    bad = 0
    for found in reversed(suspects):
        answer = await ask(Address.of(url), judge.again(found), 60)
        print(f"{found['number']:>6} {found['kind']}: {mix.outcome(answer)} after {answer.whole_s:.1f} s {answer.text[:200]}", flush=True)
        bad += answer.status >= 500 or answer.status == 0
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
