"""From a run's directory to its summary, and both into its results/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from armature.bench import trust
from armature.bench.client import health
from armature.bench.host import host_load
from armature.bench.measure import measure
from armature.bench.read import LoadFolder, read_load
from armature.bench.records import Request
from armature.bench.runs import Run
from armature.bench.server import aggregate
from armature.bench.summary import SUMMARY_VERSION, ClientHealth, Failure, Group, Length, Slo, Summary, Tolerance, Window
from armature.errors import UserError

FILE = "summary.json"


def summarize(run: Run, slo: Slo | None = None, tolerance: Tolerance | None = None) -> tuple[Summary, LoadFolder]:
    """The figures of a run, and the raw files that they come from. Writes nothing.

    slo, tolerance: where None, those in the load's settings (`slo`, `tolerance`), else none and the default.
    Raises UserError when the files cannot be read.
    """
    folder = read_load(run.load)
    settings = dict(folder.load.settings) if folder.load else {}
    slo = slo or _setting(settings, "slo", Slo, folder)
    tolerance = tolerance or _setting(settings, "tolerance", Tolerance, folder) or Tolerance()
    window, client = measured_window(folder), health(folder)
    requests = folder.measured
    classes = sorted({r.cls for r in requests})
    gpus = run.gpus
    server = aggregate(folder.samples, window.started, window.ended)
    conditions = trust.Conditions(window, client, host_load(server))

    def figures(its: Sequence[Request]) -> Group:
        group = measure(its, window.seconds, gpus, slo, tolerance)
        return group.model_copy(update={"caveats": trust.caveats(group, conditions)})

    overall = figures(requests)
    plan = run.plan
    summary = Summary(
        run=run.label,
        plan_hash=plan.hash if plan else None,
        model=(folder.load and folder.load.model) or (plan.model if plan else None),
        seed=folder.load.seed if folder.load else None,
        settings=settings,
        window=window,
        overall=overall,
        classes={c: figures([r for r in requests if r.cls == c]) if len(classes) > 1 else overall for c in classes},
        slo=slo,
        tolerance=tolerance,
        client=client,
        host=conditions.host,
        server=server,
        gpus=gpus,
        hardware=run.host.get("hardware", {}),
        versions=run.host.get("versions", {}) | {f"client.{k}": v for k, v in (folder.load.versions if folder.load else {}).items()},
        failures=failures(overall, client, window, tolerance),
        notes=notes(folder, overall),
    )
    return summary, folder


def write(run: Run, summary: Summary, folder: LoadFolder) -> list[Path]:
    """Write requests.parquet and summary.json into the run's results/; returns where they are."""
    from armature.bench import parquet  # pyarrow takes its time to import

    run.results.mkdir(exist_ok=True)
    table, file = run.results / parquet.FILE, run.results / FILE
    parquet.write(folder.requests, table)
    partial = file.with_name(file.name + ".partial")
    partial.write_text(summary.model_dump_json(indent=2) + "\n")
    partial.replace(file)
    return [table, file]


def load_summary(run: Run) -> Summary:
    """A run's summary: the one in its results/, else made from its load/. Raises UserError."""
    file = run.results / FILE
    if not file.exists():
        return summarize(run)[0]
    try:
        version = json.loads(file.read_bytes()).get("version")
        if version != SUMMARY_VERSION:
            raise UserError(f"{file} has version {version}", expected=f"version {SUMMARY_VERSION}", fix="armature summarize RUN")
        return Summary.model_validate_json(file.read_bytes())
    except (ValidationError, ValueError, AttributeError) as e:
        raise UserError(f"{file} cannot be read: {e}", fix="write it again: armature summarize RUN") from None


def measured_window(folder: LoadFolder) -> Window:
    """From the end of the warm-up to the end of the last measured request."""
    requests, load = folder.measured, folder.load
    reason = load.end_reason if load else None
    if not requests:
        return Window(started=None, ended=None, seconds=None, end_reason=reason)
    began = load.measure_started if load and load.measure_started is not None else min(r.begun for r in requests)
    ended = max(r.ended for r in requests)
    return Window(started=began, ended=ended, seconds=ended - began if ended > began else None, end_reason=reason)


def failures(overall: Group, client: ClientHealth, window: Window, tolerance: Tolerance) -> list[Failure]:
    """Why a run with these figures is invalid."""
    found = []
    counts = overall.counts
    if not counts.sent:
        found.append(Failure(kind="no_requests", text="no request was sent in the measuring phase"))
    elif not counts.ok:
        found.append(Failure(kind="no_requests", text=f"none of {counts.sent} requests succeeded: {_kinds(counts.failed_by_kind)}"))
    if not client.valid:
        found.append(Failure(kind="client", text="the load generator did not keep up: " + "; ".join(client.reasons)))
    if window.end_reason is None:
        found.append(Failure(kind="load", text="load.json is missing: the load generator was killed"))
    elif window.end_reason == "error":
        found.append(Failure(kind="load", text="the load generator ended with an error, or was killed"))
    for text in _missed("input", overall.lengths.input, tolerance, tolerance.input_tokens):
        found.append(Failure(kind="input_length", text=text))
    for text in _missed("output", overall.lengths.output, tolerance, tolerance.output_tokens):
        found.append(Failure(kind="output_length", text=text))
    return found


def _missed(what: str, length: Length, tolerance: Tolerance, tokens: int) -> list[str]:
    """Whether too many requests had another length than asked, as a text or none."""
    if not (length.realised and length.asked) or length.outside <= tolerance.share * length.realised.count:
        return []
    text = f"{length.outside} of {length.realised.count} requests missed the requested {what} length by more than {tolerance.relative:.0%} "
    return [text + f"and more than {tokens} tokens: requested {length.asked.mean:.1f} on average, got {length.realised.mean:.1f}"]


def notes(folder: LoadFolder, overall: Group) -> list[str]:
    """What a reader of the figures should know."""
    found = []
    counts, lengths = overall.counts, overall.lengths
    if counts.failed:
        found.append(
            f"{counts.failed} of {counts.sent} requests failed ({_kinds(counts.failed_by_kind)}): their latencies and tokens are excluded"
        )
    if folder.cut_off:
        found.append(f"{folder.cut_off} record files end with an incomplete line, which was skipped")
    if folder.load and folder.load.end_reason == "stopped":
        found.append("the load was stopped early")
    for kind, length in (("input", lengths.input), ("output", lengths.output)):
        if length.unknown:
            found.append(f"the server did not report the {kind} length of {length.unknown} requests, so it is unchecked")
    return found


def _kinds(by_kind: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in by_kind.items())


def _setting(settings: Mapping[str, Any], name: str, kind: type[Any], folder: LoadFolder) -> Any:
    value = settings.get(name)
    if not value:
        return None
    try:
        return kind.model_validate(value)
    except ValidationError as e:
        error = e.errors()[0]
        raise UserError(
            f"settings.{name} of the load is invalid: {error['msg']} ({'.'.join(map(str, error['loc']))})",
            where=str(folder.path / "load.json"),
            expected=", ".join(kind.model_fields),
        ) from None
