"""Whether what moves KV caches between engines can be loaded here: asked before an engine takes its time to start.

A launched worker has passed the launcher's preflight, which asks sooner and loads less; this is for one that is started by hand."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from armature.errors import UserError
from armature.packages import TRANSFERS, how_to_install_libraries

if TYPE_CHECKING:
    from sglang.srt.server_args import ServerArgs


def check(server_args: ServerArgs) -> None:
    """Raise a UserError when the flags ask for a backend that cannot be imported, with what is missing."""
    backend = server_args.disaggregation_transfer_backend
    if server_args.disaggregation_mode == "null" or backend not in TRANSFERS:
        return
    transfer = TRANSFERS[backend]
    try:
        importlib.import_module(transfer.module)
    except ImportError as e:
        absent = isinstance(e, ModuleNotFoundError)
        raise UserError(
            f"{backend} cannot transfer KV caches: {e}",
            where="--disaggregation-transfer-backend",
            expected=f"the Python module {transfer.module}" if absent else "the libraries that it links to",
            fix=f"pip install {transfer.package}" if absent else how_to_install_libraries(transfer.libraries),
        ) from None
