"""What metrics cost a worker: SGLang's own counting for each chunk, a look at the ranks' load, a look at /metrics.

Two engines in one process, in turns: `off` and `on` (`--enable-metrics`). Figures: tokens per second at concurrency 8, and
CPU time of this process, in which the tokenizer manager runs, for each chunk; milliseconds of one `loads()`, as workers
make it ten times a second, and of the text that one scrape asks for. Writes records/cpu.json.

    python -m benchmarks.metrics.run [--rounds 5]
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.common.models import tiny_model
from benchmarks.common.rounds import run_in_rounds

from armature.engine import token_engine
from armature.messages.tokens import GenerateRequest, Sampling
from armature.telemetry.exposition import text

RECORD = Path(__file__).parent / "records" / "cpu.json"
FLAGS = ["--device", "cpu", "--max-total-tokens", "8192", "--max-running-requests", "16", "--log-level", "error"]
USERS, TOKENS = 8, 200


async def ask(engine: token_engine.SGLangTokenEngine, name: str) -> int:
    """Chunks of one request."""
    sampling = Sampling(max_tokens=TOKENS, temperature=0.0, ignore_eos=True)
    return len([c async for c in engine.generate(GenerateRequest(name, [hash(name) % 400 + 20, 30, 31, 32], sampling))])


async def once(engine: token_engine.SGLangTokenEngine, name: str, samples: dict[str, list[float]]) -> None:
    cpu, began = time.process_time(), time.perf_counter()
    chunks = sum(await asyncio.gather(*(ask(engine, f"{name}-{user}") for user in range(USERS))))
    samples["cpu_us_per_chunk"].append((time.process_time() - cpu) / chunks * 1e6)
    samples["tok_s_c8"].append(USERS * TOKENS / (time.perf_counter() - began))
    began = time.perf_counter()
    await engine.loads()
    samples["loads_ms"].append((time.perf_counter() - began) * 1e3)
    began = time.perf_counter()
    text((), engine.series(), {"model": "m"})
    samples["scrape_ms"].append((time.perf_counter() - began) * 1e3)


async def measure(rounds: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        model = tiny_model(Path(folder))
        engines = {name: token_engine.start(model, FLAGS + flags) for name, flags in (("off", []), ("on", ["--enable-metrics"]))}
        kinds = ("tok_s_c8", "cpu_us_per_chunk", "loads_ms", "scrape_ms")
        samples: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in kinds} for name in engines}
        for name, engine in engines.items():
            await ask(engine, f"warm-{name}")
        for i in range(rounds):
            for name, engine in engines.items():
                await once(engine, f"{name}-{i}", samples[name])
        for engine in engines.values():
            engine.shutdown()
        medians = {name: {kind: round(statistics.median(v), 3) for kind, v in found.items()} for name, found in samples.items()}
        return {"median": medians, "samples": samples}


if __name__ == "__main__":
    run_in_rounds(measure, RECORD)
