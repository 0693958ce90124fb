"""One test target per folder of tests."""

load("@pypi_cpu//:requirements.bzl", "all_requirements")
load("@rules_python//python:defs.bzl", "py_test")

_PYTEST = [
    "@pypi_cpu//hypothesis",
    "@pypi_cpu//pytest",
    "@pypi_cpu//pytest_asyncio",
    "@pypi_cpu//pytest_timeout",
]

def pytest_test(name, deps = [], data = [], engine = False, **kwargs):
    """pytest on this folder: its test modules, their fixtures and files. No target while it has no test module.

    Args:
      name: the target's name, which is the folder's.
      deps: exactly what the tests import, besides pytest, tests/support and tools.
      data: files from elsewhere that the tests read.
      engine: whether real engines run: all distributions at once, and both of a small machine's cores.
      **kwargs: py_test's.
    """
    if not native.glob(["test_*.py"]):
        return
    if engine:
        kwargs.setdefault("size", "large")
        kwargs.setdefault("tags", ["cpu:2", "engine"])
        deps = deps + all_requirements
    kwargs.setdefault("size", "small")
    kwargs.setdefault("timeout", "long" if engine else "moderate")  # a shared machine takes several times as long
    py_test(
        name = name,
        srcs = native.glob(["**/*.py"]) + ["//tests:pytest_main.py"],
        args = [native.package_name()],
        data = data + ["//:pyproject.toml"] + native.glob(
            ["**"],
            exclude = ["**/*.py", "**/__pycache__/**", "BUILD.bazel"],
        ),
        main = "//tests:pytest_main.py",
        deps = deps + _PYTEST + [
            "//tests/support",
            "//tools",
        ],
        **kwargs
    )

def test_sources():
    """The folder's text, for the checks that read sources."""
    native.filegroup(
        name = "sources",
        srcs = native.glob(["**/*.py"]),
        visibility = ["//tests:__pkg__"],
    )
