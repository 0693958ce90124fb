"""The edge of the command line: no folder to stand in, words that are not UTF-8, output that goes nowhere. One line, the right code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from armature.cli import COMMANDS

Known = dict[str, subprocess.CompletedProcess[str]]
MODEL = "+model=tiny-qwen3"
PLAN = ["plan", "agg", MODEL]
# Words of a typical use that prints something, starts nothing and needs nothing; {run} is a run with load.
USES = {
    "up": ["up", "agg", MODEL, "--dry-run"],
    "plan": PLAN,
    "bench": ["bench", "agg", MODEL, "load.concurrency=1,2", "--dry-run"],
    "watch": ["watch", "{run}"],
    "compare": ["compare", "{run}"],
    "report": ["report", "{run}", "--out", "{tmp}/report.html"],
    "summarize": ["summarize", "{run}"],
    "flags": ["flags"],
    "completion": ["completion", "bash"],
    "observe": ["observe", "--target", "a=b,127.0.0.1:1", "--out", "{tmp}/prometheus"],
}
MISTAKES = {command: [command, "--nosuch-option"] for command in COMMANDS}
MISTAKES |= {"worker": ["worker"], "models": ["models", "make", "--spec", "{}", "--out", "model"]}  # these take any option, or a command's
CALLS = [
    *(pytest.param([command, "--help"], 0, id=f"{command} --help") for command in COMMANDS),
    *(pytest.param(words, None, id=" ".join(words[:2])) for words in USES.values()),
    *(pytest.param(words, 2, id=f"{command}, wrong") for command, words in MISTAKES.items()),
    pytest.param(["--help"], 0, id="--help"),
    pytest.param([], 2, id="no word"),
]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from support.load_files import load, request, write_load

    folder = tmp_path_factory.mktemp("runs") / "agg/1"
    write_load(folder, [request(i) for i in range(5)], about=load())
    assert armature(["summarize", str(folder)], folder).returncode == 0
    return folder


def armature(
    words: list[str], run_folder: Path, redirect: str = "", cwd: Path | None = None, before: str = ":", unbuffered: str = ""
) -> subprocess.CompletedProcess[str]:
    """The program in a shell. redirect: what the shell does with its output. before: what the shell does first, in `cwd`."""
    tmp = run_folder.parent
    given = [w.replace("{run}", str(run_folder)).replace("{tmp}", str(tmp)) if "{" in w and w != "{}" else w for w in words]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(p).absolute()) for p in sys.path if p), "ARMATURE_RUNS": str(tmp)}
    environment["PYTHONUNBUFFERED"] = unbuffered
    line = f'{before}; "$@" {redirect}'
    return subprocess.run(
        ["bash", "-c", line, "bash", sys.executable, "-P", "-m", "armature", *given],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        cwd=cwd or tmp,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def usual() -> Known:
    """What each call does where nothing is wrong with its output."""
    return {}


def as_usual(words: list[str], run_folder: Path, known: Known) -> subprocess.CompletedProcess[str]:
    key = " ".join(words)
    if key not in known:
        known[key] = armature(words, run_folder)
    return known[key]


@pytest.mark.parametrize(("redirect", "code"), [(">/dev/full", 1), (">&-", 1), ("| :", 141)])
@pytest.mark.parametrize("words", [PLAN, ["flags"], ["up", "--help"]])
def test_output_without_a_buffer_that_goes_nowhere(words: list[str], redirect: str, code: int, run_folder: Path) -> None:
    out = armature(words, run_folder, f"{redirect}; exit ${{PIPESTATUS[0]}}", unbuffered="1")
    assert (out.returncode, out.stderr.count("\n")) == (code, int(code == 1))


def everywhere(streams: list[str]) -> list[object]:
    """All calls with the first of `streams`, and a few with the others."""
    few = [call for call in CALLS if call.id in ("plan agg", "flags", "up --help", "watch, wrong", "no word")]
    return [
        pytest.param(*call.values, stream, id=f"{call.id} {stream}")
        for stream in streams
        for call in (CALLS if stream == streams[0] else few)
    ]


@pytest.mark.parametrize(("words", "code", "redirect"), everywhere([">/dev/full", ">&-", "> >(:)", "| :"]))
def test_output_that_goes_nowhere(words: list[str], code: int | None, redirect: str, run_folder: Path, usual: Known) -> None:
    """Lost output is an error of a command that has no other: 1 and one line, or 141 and none where the reader went away."""
    normal = as_usual(words, run_folder, usual)
    assert code is None or normal.returncode == code
    out = armature(words, run_folder, f"{redirect}; exit ${{PIPESTATUS[0]}}")
    assert "Traceback" not in out.stderr and "Exception ignored" not in out.stderr
    if normal.returncode or not normal.stdout:
        assert (out.returncode, out.stderr) == (normal.returncode, normal.stderr)
    elif ":" in redirect:
        assert out.returncode in (0, 141) and out.stderr == normal.stderr  # 0: it had written before the reader went away
    else:
        assert out.returncode == 1
        assert out.stderr.removeprefix(normal.stderr).startswith("armature: the output cannot be written: ")
        assert out.stderr.count("\n") == normal.stderr.count("\n") + 1


@pytest.mark.parametrize(("words", "code", "redirect"), everywhere(["2>/dev/full", "2>&-", "2> >(:)"]))
def test_errors_that_nobody_reads_change_no_exit_code(
    words: list[str], code: int | None, redirect: str, run_folder: Path, usual: Known
) -> None:
    normal = as_usual(words, run_folder, usual)
    out = armature(words, run_folder, redirect)
    assert (out.returncode, bool(out.stdout)) == (normal.returncode, bool(normal.stdout))


@pytest.mark.parametrize(("words", "code", "redirect"), everywhere(["<&- >&- 2>&-"]))
def test_all_descriptors_closed(words: list[str], code: int | None, redirect: str, run_folder: Path, usual: Known) -> None:
    """The program ends as with a full device; no file that it writes is taken for its output."""
    normal = as_usual(words, run_folder, usual)
    out = armature(words, run_folder, redirect)
    assert out.returncode == (normal.returncode or int(bool(normal.stdout)))


@pytest.mark.parametrize(("words", "code"), CALLS)
def test_a_folder_that_was_removed(words: list[str], code: int | None, run_folder: Path, tmp_path: Path) -> None:
    """What needs no folder works; what does says so."""
    out = armature(words, run_folder, before=f"rmdir {tmp_path}", cwd=tmp_path)
    assert "Traceback" not in out.stderr
    if code is not None:
        assert out.returncode == code
    elif out.returncode:
        assert (out.returncode, out.stderr) == (2, "armature: the current folder was removed\n  fix: cd to a folder that exists\n")


@pytest.mark.parametrize("command", [*COMMANDS, "nosuch"])
@pytest.mark.parametrize("word", [b"model.name=\xff", b"\xc3", b"--name=\xe9t\xe9", b"/tmp/\xff/run"])
def test_a_word_that_is_not_utf8(command: str, word: bytes) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    words: list[str | bytes] = [sys.executable, "-P", "-m", "armature", command, word]
    out = subprocess.run(words, capture_output=True, env=environment, timeout=60, check=False)
    assert (out.returncode, out.stdout) == (2, b"")
    first, fix = out.stderr.decode().splitlines()
    assert first.endswith("is not UTF-8") and fix.startswith("  fix: ")


@pytest.mark.parametrize("variable", ["ARMATURE_RUNS", "ARMATURE_CACHE"])
def test_a_folder_whose_name_is_not_utf8(variable: str) -> None:
    environment = {os.fsencode(k): os.fsencode(v) for k, v in os.environ.items()}
    environment |= {b"PYTHONPATH": os.pathsep.join(p for p in sys.path if p).encode(), variable.encode(): b"/tmp/\xff"}
    words = [sys.executable, "-P", "-m", "armature", *PLAN, "--json"]
    out = subprocess.run(words, capture_output=True, env=environment, timeout=60, check=False)
    assert out.returncode == 2
    assert b"has a name that is not UTF-8" in out.stderr and b"Traceback" not in out.stderr


@pytest.mark.parametrize("words", [["report", "x" * 5000], ["observe", "--target=a=b,h:1", "--out=/dev/null/x"], ["watch", "/root\x01"]])
def test_what_the_system_refuses_is_one_line(words: list[str], run_folder: Path) -> None:
    out = armature(words, run_folder)
    assert out.returncode in (1, 2)
    assert "Traceback" not in out.stderr and out.stderr.startswith("armature: ")
    assert all(c.isprintable() or c == "\n" for c in out.stderr)
