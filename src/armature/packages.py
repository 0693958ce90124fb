"""Python modules and native libraries of others: what brings each, and what moves KV caches needs of them.

Nothing is imported here: this is what is said when one of them is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_ENGINE = "pip install -r requirements/cpu.lock (on GPUs: requirements/cuda.lock)"
_BENCH = "pip install 'armature[bench]'"
_LOAD = "pip install -r requirements/loadtests.lock"

# Module -> what installs it.
MODULES: Mapping[str, str] = {
    "dynamo": "pip install ai-dynamo-runtime==1.6.1",
    "sglang": _ENGINE,
    "torch": _ENGINE,
    "tokenizers": _ENGINE,
    "safetensors": _ENGINE,
    "huggingface_hub": "pip install huggingface-hub",
    "nats": "pip install nats-py",
    "jinja2": _BENCH,
    "plotly": _BENCH,
    "pyarrow": _BENCH,
    "scipy": _BENCH,
    "locust": _LOAD,
    "geventhttpclient": _LOAD,
}
# Library, by the name under which it is loaded -> Debian's package.
LIBRARIES: Mapping[str, str] = {
    "libcurl.so.4": "libcurl4",
    "libibverbs.so.1": "libibverbs1",
    "libnl-3.so.200": "libnl-3-200",
    "libnl-route-3.so.200": "libnl-route-3-200",
    "libnuma.so.1": "libnuma1",
}
DRIVER = "libcuda.so.1"  # comes with NVIDIA's driver, from no package of Debian


@dataclass(frozen=True)
class Transfer:
    """What moves KV caches between engines. module: it must be importable; package: what brings it; libraries: what it links to."""

    module: str
    package: str
    libraries: tuple[str, ...] = ()


# Mooncake links to these even when it uses TCP only.
_MOONCAKE = tuple(LIBRARIES)
# SGLang's name for a backend (--disaggregation-transfer-backend) -> what it needs.
TRANSFERS: Mapping[str, Transfer] = {
    "mooncake": Transfer("mooncake.engine", "mooncake-transfer-engine", _MOONCAKE),
    "mooncake_tcp": Transfer("mooncake.engine", "mooncake-transfer-engine-non-cuda", _MOONCAKE),
    "nixl": Transfer("nixl._api", "nixl"),
}
DEFAULT_TRANSFER: Mapping[str, str] = {"cpu": "mooncake_tcp", "cuda": "nixl"}  # by hardware.device


def how_to_install_module(module: str) -> str | None:
    """What installs a module, if we know it."""
    known = MODULES.get(module)
    packages = sorted({t.package for t in TRANSFERS.values() if t.module == module})
    return known or (f"pip install {' (or '.join(packages)}{')' * (len(packages) - 1)}" if packages else None)


def how_to_install_libraries(names: Iterable[str]) -> str | None:
    """What installs native libraries, if we know it."""
    wanted = list(names)
    packages = sorted(LIBRARIES[name] for name in wanted if name in LIBRARIES)
    words = [f"apt-get install {' '.join(packages)}"] if packages else []
    words += ["install NVIDIA's driver, or use hardware=cpu"] if DRIVER in wanted else []
    return "; ".join(words) or None
