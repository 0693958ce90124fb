"""Tests of the sources themselves. They are plain py_test targets, so the same on every Bazel."""

load("@rules_python//python:defs.bzl", "py_test")

def tool_test(name, tool, args, data, deps, size = "small"):
    """A development tool of the lock, run in the source tree that `data` makes.

    Args:
      name: the test's name.
      tool: the console script's name.
      args: its arguments; paths are relative to the repository's root.
      data: what it reads.
      deps: the tool's distribution, and what it must be able to import.
      size: Bazel's size of the test.
    """
    py_test(
        name = name,
        size = size,
        srcs = ["run_tool.py"],
        args = [tool] + args,
        data = data,
        main = "run_tool.py",
        tags = ["lint"],
        deps = deps,
    )

def up_to_date_test(name, script, data, deps = [], size = "small", tags = []):
    """Fails when `script --check` says that a generated file is stale; `python tools/<script>` writes it again.

    Args:
      name: the test's name.
      script: a file of this folder that understands --check.
      data: the generated file, and what it is made from.
      deps: what the script imports.
      size: Bazel's size of the test.
      tags: Bazel's tags of the test, besides "lint".
    """
    py_test(
        name = name,
        size = size,
        srcs = [script],
        args = ["--check"],
        data = data,
        env = {"HOME": "/tmp"},  # torch keeps a cache at home, and Bazel gives tests none
        main = script,
        tags = ["lint"] + tags,
        deps = deps,
    )
