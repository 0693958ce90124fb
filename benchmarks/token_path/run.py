"""What SGLang's detokenizer process costs an engine whose callers want token ids.

Two engines in one process, in turns: `direct` (scheduler -> tokenizer manager, as Armature runs it) and `stock`
(scheduler -> detokenizer -> tokenizer manager). Figures: time to the first token and tokens per second at concurrency 1
and 8, and the memory of all processes. Writes records/cpu.json.

    python -m benchmarks.token_path.run [--rounds 5]
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from benchmarks.common.models import tiny_model
from benchmarks.common.rounds import run_in_rounds

from armature.engine import arguments, series, token_engine
from armature.engine.guides.trials import Trials
from armature.engine.sglang_engine import Launched
from armature.limits import DEFAULT_LIMITS
from armature.messages.tokens import GenerateRequest, Sampling

RECORD = Path(__file__).parent / "records" / "cpu.json"
FLAGS = ["--device", "cpu", "--max-total-tokens", "8192", "--max-running-requests", "16", "--log-level", "error"]


def open_engine(model: Path, direct: bool) -> tuple[token_engine.SGLangTokenEngine, float]:
    """An engine, and the resident memory in MiB of the processes that it started."""
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    if direct:
        engine = token_engine.start(model, FLAGS)
    else:
        server_args = arguments.parse(FLAGS, model_path=str(model))
        from sglang.srt.entrypoints.engine import Engine

        engine = token_engine.SGLangTokenEngine(
            Launched(Engine(server_args=server_args), series.fresh_folder(), 0.0), Trials(DEFAULT_LIMITS)
        )
    started = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    return engine, sum(p.memory_info().rss for p in started) / 2**20


async def ask(engine: token_engine.SGLangTokenEngine, name: str, tokens: int) -> tuple[float, float, int]:
    """(seconds to the first token, seconds in all, chunks) of one request."""
    request = GenerateRequest(name, [hash(name) % 400 + 20, 30, 31, 32], Sampling(max_tokens=tokens, temperature=0.0, ignore_eos=True))
    began, first, chunks = time.perf_counter(), 0.0, 0
    async for _ in engine.generate(request):
        first = first or time.perf_counter() - began
        chunks += 1
    return first, time.perf_counter() - began, chunks


async def measure(rounds: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        model = tiny_model(Path(folder))
        engines = {name: open_engine(model, name == "direct") for name in ("direct", "stock")}
        samples: dict[str, dict[str, list[float]]] = {n: {"ttft_ms": [], "tok_s_c1": [], "tok_s_c8": []} for n in engines}
        for name, (engine, _) in engines.items():
            await ask(engine, f"warm-{name}", 64)
        for i in range(rounds):
            for name, (engine, _) in engines.items():
                for k in range(10):
                    first, _, _ = await ask(engine, f"{name}-{i}-{k}", 1)
                    samples[name]["ttft_ms"].append(first * 1e3)
                _, total, _ = await ask(engine, f"{name}-{i}-one", 200)
                samples[name]["tok_s_c1"].append(200 / total)
                began = time.perf_counter()
                await asyncio.gather(*(ask(engine, f"{name}-{i}-c{k}", 100) for k in range(8)))
                samples[name]["tok_s_c8"].append(800 / (time.perf_counter() - began))
        result = {
            name: {"started_processes_mib": round(memory), **{k: round(statistics.median(v), 2) for k, v in samples[name].items()}}
            for name, (_, memory) in engines.items()
        }
        for engine, _ in engines.values():
            engine.shutdown()
        return {"median": result, "samples": samples}


if __name__ == "__main__":
    run_in_rounds(measure, RECORD)
