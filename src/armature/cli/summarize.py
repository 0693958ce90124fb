"""`armature summarize RUN`: from a load generator's files to results/requests.parquet and results/summary.json."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from armature.cli.options import Parser
from armature.errors import UserError, did_you_mean, nearest

if TYPE_CHECKING:
    from armature.bench.summary import Part

    P = TypeVar("P", bound=Part)

DESCRIPTION = """\
Read the load generator's files (RUN/load/) and write RUN/results/requests.parquet and summary.json.

RUN is a run's directory, <name>/<id> under runs/, or the beginning of an id. Definitions: docs/reference/summary.md.
Exits with 1 if the run is invalid: no request succeeded, the client did not keep up, or prompts or answers did not have
the requested lengths. The reasons are printed and listed in the summary's `failures`. A figure marked * has a caveat.
"""


def parser() -> Parser:
    p = Parser(prog="armature summarize", description=DESCRIPTION)
    p.add_argument("run", metavar="RUN", help="the run, or a folder of runs")
    p.add_argument(
        "--slo", action="append", default=[], metavar="NAME=MS", help="limit for goodput: ttft_ms, itl_ms, tpot_ms, e2e_ms; may be repeated"
    )
    p.add_argument(
        "--tolerance",
        action="append",
        default=[],
        metavar="NAME=X",
        help="allowed deviation from the requested lengths: relative, input_tokens, output_tokens, share; may be repeated",
    )
    return p


def main(argv: list[str]) -> int:
    a = parser().parse_args(argv)

    from armature.bench.runs import find
    from armature.bench.summarize import summarize, write
    from armature.bench.summary import Slo, Tolerance
    from armature.bench.text import overview

    slo, tolerance = read_pairs(a.slo, Slo, "--slo"), read_pairs(a.tolerance, Tolerance, "--tolerance")
    failed = False
    for run in find([a.run]):
        summary, folder = summarize(run, slo, tolerance)
        files = write(run, summary, folder)
        print(overview(summary))
        print("\n".join(f"wrote {file}" for file in files))
        for failure in summary.failures:
            print(f"armature: {run.label}: {failure.text}", file=sys.stderr)
        failed |= bool(summary.failures)
    return int(failed)


def read_pairs(words: Sequence[str], kind: type[P], option: str) -> P | None:
    """NAME=NUMBER words as a `kind`; None without any. Raises UserError."""
    from pydantic import ValidationError

    from armature.config.explain import explain

    values = {name: value for name, _, value in (word.partition("=") for word in words)}
    expected = f"NAME=NUMBER, with one of {', '.join(kind.model_fields)}"

    def unknown(path: Sequence[str]) -> UserError:
        guess = nearest(path[0], kind.model_fields)
        return UserError(
            f"{option} {path[0]}: there is no such name",
            expected=expected,
            fix=did_you_mean(guess and f"{option} {guess}={values[path[0]] or 'NUMBER'}"),
        )

    try:
        return kind.model_validate(values) if values else None
    except ValidationError as e:
        raise explain(e, lambda path: None, unknown, f"{option} ") from None
