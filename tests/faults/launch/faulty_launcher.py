"""`faulty_launcher.py PLAN ERRNO CALL ...`: the launcher, in which each CALL of its bookkeeping fails.

As nothing of its record may be left to read, it makes a file `serving` beside the plan when the run serves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from armature.launch import __main__ as launcher
from armature.launch import freshness, lock, nodelog, recorder, rundir, show, supervised, table

# Every place at which the launcher's bookkeeping touches a file, a terminal or a pipe, by the name that tests use.
CALLS: dict[str, list[tuple[Any, str]]] = {
    "event": [(rundir.RunDir, "record")],
    "merged log": [(rundir.RunDir, "add_line")],
    "node's log": [(rundir.RunDir, "open_log")],
    "reading a log": [(nodelog.NodeLog, "_open")],
    "display": [(show.PlainShow, "event"), (show.PlainShow, "line"), (table.TableShow, "event"), (table.TableShow, "line")],
    "live table": [(supervised, "_show")],
    "stamp": [(freshness, "write_stamp"), (freshness, "drop_stamp")],
    "lock's pid": [(lock.os, "ftruncate")],
    "closing": [(rundir.RunDir, "close"), (show.PlainShow, "close")],
}


def failing(number: int) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call


def main() -> int:
    plan, number, *names = sys.argv[1:]
    for name in names:
        for owner, attribute in CALLS[name]:
            setattr(owner, attribute, failing(int(number)))
    emit = recorder.Recorder.emit

    def emit_and_mark(self: Any, node: str | None, event: str, *args: Any, **facts: Any) -> None:
        emit(self, node, event, *args, **facts)
        if event == "serving":
            Path(plan).with_name("serving").touch()

    recorder.Recorder.emit = emit_and_mark  # type: ignore[method-assign]
    return launcher.main([plan, "--logs"])


if __name__ == "__main__":
    sys.exit(main())
