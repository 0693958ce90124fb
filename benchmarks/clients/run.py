"""The official clients and an evaluation harness against a deployment: is what they show the truth?

    python -m benchmarks.clients.run [--out benchmarks/clients/records/cpu] [--environments DIR] [--only NAME ...]

`armature up agg` with the tiny model; then, one after the other, OpenAI's Python client (of this interpreter), OpenAI's JavaScript
client, Anthropic's Python client and lm-eval with a local task of log-likelihoods. What each gets is held against Hugging Face's
own computation with the same weights: greedy texts, log probabilities, usage, lm-eval's log-likelihood of every choice. Whether
lm-eval takes a choice for the greedy one is counted and not judged: it compares two figures that the runtime prints unlike.

The clients' environments are made below DIR, with the versions named here and in package.json, and are kept. Needs node and npm.
Writes record.json and, as they came, each client's output. Exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.clients.truth import Truth
from benchmarks.common.facts import hardware, versions
from benchmarks.common.serving import served

HERE = Path(__file__).parent
ANTHROPIC = ("anthropic==2.14.0",)
LM_EVAL = ("lm-eval[api]==0.4.13", "transformers==5.12.1")
MESSAGES = [{"role": "user", "content": "hello world, what is the capital of france"}]
PROMPTS = [list(range(20 + 7 * i, 20 + 7 * i + 5 * (i + 1))) for i in range(8)]
COUNT = 24
SAME = 1e-3  # of log probabilities


def main() -> int:
    a = options()
    a.out.mkdir(parents=True, exist_ok=True)
    checks: dict[str, list[str]] = {}
    greedy: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as work, served(Path(work), "agg", ["agg", "+model=tiny-qwen3", "frontend.port=0"]) as (url, plan):
        truth = Truth(model_folder(plan))
        asked = Path(work) / "asked.json"
        asked.write_text(json.dumps({"url": url, "model": plan["model"], "messages": MESSAGES, "prompts": PROMPTS, "max_tokens": COUNT}))
        arms: dict[str, Callable[[], list[str]]] = {
            "openai-python": lambda: wrong_chats(
                run(a, "openai-python", [sys.executable, str(HERE / "openai_python.py"), str(asked)]), truth
            ),
            "openai-javascript": lambda: wrong_chats(run(a, "openai-javascript", ["node", *javascript(a), str(asked)]), truth),
            "anthropic-python": lambda: wrong_messages(
                run(a, "anthropic-python", [python(a, "anthropic", ANTHROPIC), str(HERE / "anthropic_python.py"), str(asked)]), truth
            ),
            "lm-eval": lambda: wrong_scores(a, url, plan["model"], truth, Path(work), greedy),
        }
        for name, arm in arms.items():
            if not a.only or name in a.only:
                checks[name] = arm()
                print(f"{name}: {'; '.join(checks[name]) or 'as the truth'}", flush=True)
    record = {"hardware": hardware(), "versions": versions() | client_versions(), "wrong": checks, "greedy_choices": greedy}
    (a.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    return 1 if any(checks.values()) else 0


def run(a: argparse.Namespace, name: str, command: list[str]) -> dict[str, Any]:
    """What a client printed, which is also kept."""
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout
    got: dict[str, Any] = json.loads(printed)
    (a.out / f"{name}.json").write_text(json.dumps(got, indent=1) + "\n")
    return got


def wrong_chats(got: dict[str, Any], truth: Truth) -> list[str]:
    """What an OpenAI client got that is not the truth."""
    ids = truth.chat(MESSAGES)
    output = truth.greedy(ids, COUNT)
    wrong = [] if got["models"] == ["tiny-qwen3"] else [f"models: {got['models']}"]
    for part in ("chat", "streamed"):
        wrong += differs(f"{part}.text", got[part]["text"], truth.text(output))
        usage = got[part]["usage"]
        wrong += differs(f"{part}.usage", (usage["prompt_tokens"], usage["completion_tokens"]), (len(ids), len(output)))
    wrong += differs("responses", got["responses"], truth.text(output))
    wrong += far("chat.logprobs", got["chat"]["logprobs"], truth.logprobs(ids, output))
    wrong += differs("completions", got["completions"], [truth.text(truth.greedy(prompt, COUNT)) for prompt in PROMPTS])
    wrong += far("echo", got["echo"][1:-1], truth.logprobs(PROMPTS[0][:1], PROMPTS[0][1:]))
    wrong += differs("echo, first", got["echo"][0], None)
    wrong += differs("cut_after", got["cut_after"], 3)
    return wrong + wrong_errors(got, {"refused": 400, "unknown_model": 404})


def wrong_messages(got: dict[str, Any], truth: Truth) -> list[str]:
    """What the Anthropic client got that is not the truth."""
    ids = truth.chat(MESSAGES)
    output = truth.greedy(ids, COUNT)
    wrong = [] if got["models"] == ["tiny-qwen3"] else [f"models: {got['models']}"]
    for part in ("chat", "streamed"):
        wrong += differs(f"{part}.text", got[part]["text"], truth.text(output))
        usage = got[part]["usage"]
        read = usage["input_tokens"] + (usage["cache_read_input_tokens"] or 0)
        wrong += differs(f"{part}.usage", (read, usage["output_tokens"]), (len(ids), len(output)))
        wrong += differs(f"{part}.stop_reason", got[part]["stop_reason"], "max_tokens" if len(output) == COUNT else "end_turn")
    wrong += differs("cut_after", got["cut_after"], 3)
    return wrong + wrong_errors(got, {"refused": 400, "unknown_model": 404})


def wrong_errors(got: dict[str, Any], statuses: dict[str, int]) -> list[str]:
    """Errors that the client did not raise with the right status."""
    return [
        line
        for name, status in statuses.items()
        for line in differs(f"errors.{name}", got["errors"][name] and got["errors"][name]["status"], status)
    ]


def wrong_scores(a: argparse.Namespace, url: str, model: str, truth: Truth, work: Path, greedy: dict[str, int]) -> list[str]:
    """Log-likelihoods of lm-eval that are not Hugging Face's. greedy: gets how many choices are greedy, by the truth and by lm-eval."""
    tasks = work / "tasks"
    shutil.copytree(HERE / "tasks", tasks)
    for file in tasks.glob("*.yaml"):  # lm-eval wants absolute paths
        file.write_text(file.read_text().replace("HERE", str(tasks)))
    server = f"model={model},base_url={url}/v1/completions,tokenizer_backend=huggingface,tokenizer={truth.folder},num_concurrent=4"
    command = [python(a, "lm-eval", LM_EVAL), "-m", "lm_eval", "--model", "local-completions", "--model_args", server]
    command += ["--tasks", "armature_choices,armature_texts", "--include_path", str(tasks), "--output_path", str(work / "scores")]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(work / "datasets"), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run([*command, "--log_samples"], env=os.environ | offline, capture_output=True, text=True, timeout=400, check=False)
    (a.out / "lm-eval.txt").write_text(done.stdout[done.stdout.find("|") :])
    if done.returncode:
        return [f"exit code {done.returncode}: {done.stderr[-2000:]}"]
    wrong: list[str] = []
    kept = []
    for file in sorted((work / "scores").rglob("samples_*.jsonl")):
        for line in file.read_text().splitlines():
            sample = json.loads(line)
            for asked, answered in zip(sample["arguments"].values(), sample["resps"], strict=True):
                words = list(asked.values())
                got = answered[0] if isinstance(answered[0], list) else answered
                score, is_greedy = truth.score(*words) if len(words) == 2 else (truth.rolling(words[0]), None)
                kept.append({"asked": words, "lm_eval": got, "truth": [score, is_greedy]})
                if abs(float(got[0]) - score) > SAME:
                    wrong.append(f"{words}: {got[0]}, not {score}")
                for name, found in (("truth", is_greedy), ("lm-eval", str(got[-1]) == "True")):
                    greedy[name] = greedy.get(name, 0) + bool(found)
    (a.out / "lm-eval.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return wrong if kept else ["no sample"]


def differs(what: str, got: Any, wanted: Any) -> list[str]:
    return [] if got == wanted else [f"{what}: {got!r}, not {wanted!r}"]


def far(what: str, got: list[float], wanted: list[float]) -> list[str]:
    same = len(got) == len(wanted) and all(abs(g - w) < SAME for g, w in zip(got, wanted, strict=True))
    return [] if same else [f"{what}: {got}, not {wanted}"]


def model_folder(plan: dict[str, Any]) -> Path:
    argv = next(node["argv"] for node in plan["nodes"] if node["name"] == "worker-0")
    return Path(argv[argv.index("--model-path") + 1])


def python(a: argparse.Namespace, name: str, packages: tuple[str, ...]) -> str:
    """The interpreter of an environment with `packages`, which is made when it is not there."""
    folder = a.environments / name
    interpreter = folder / "bin" / "python"
    if not (folder / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(interpreter), "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "made").touch()
    return str(interpreter)


def javascript(a: argparse.Namespace) -> list[str]:
    """The JavaScript client's program, beside its packages."""
    folder = a.environments / "javascript"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "openai_javascript.mjs"):
        shutil.copy(HERE / name, folder)
    if not (folder / "node_modules" / "openai").exists():
        subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"], cwd=folder, check=True)
    return [str(folder / "openai_javascript.mjs")]


def client_versions() -> dict[str, str]:
    import openai

    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip() if shutil.which("node") else ""
    return {"openai (Python)": openai.__version__, "openai (npm)": wanted["openai"], "node": node} | {
        package.partition("==")[0]: package.partition("==")[2] for package in (*ANTHROPIC, *LM_EVAL)
    }


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--out", type=Path, default=HERE / "records" / "cpu")
    p.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "armature-clients")
    p.add_argument("--only", nargs="*", default=[])
    return p.parse_args()


if __name__ == "__main__":
    sys.exit(main())
