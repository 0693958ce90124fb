"""Whether what moves KV caches between engines can be loaded here: asked before an engine takes its time to start."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from armature.errors import UserError

if TYPE_CHECKING:
    from sglang.srt.server_args import ServerArgs

# Backend -> its module, and what it is missing when that cannot be imported.
_MODULES: Mapping[str, tuple[str, str]] = {
    "mooncake": ("mooncake.engine", "pip install mooncake-transfer-engine"),
    "mooncake_tcp": ("mooncake.engine", "pip install mooncake-transfer-engine-non-cuda"),
    "nixl": ("nixl._api", "pip install nixl"),
}
# Mooncake links to these even when it uses TCP only.
_DEBIAN = "apt-get install libibverbs1 librdmacm1 libnl-3-200 libnl-route-3-200"


def check(server_args: ServerArgs) -> None:
    """Raise a UserError when the flags ask for a backend that cannot be imported, with what is missing."""
    backend = server_args.disaggregation_transfer_backend
    if server_args.disaggregation_mode == "null" or backend not in _MODULES:
        return
    module, package = _MODULES[backend]
    try:
        importlib.import_module(module)
    except ImportError as e:
        absent = isinstance(e, ModuleNotFoundError)
        raise UserError(
            f"KV caches cannot be moved by {backend}: {e}",
            where="--disaggregation-transfer-backend",
            expected=f"Python's module {module}" if absent else "the libraries that it links to",
            fix=package if absent else _DEBIAN,
        ) from None
