"""One runnable target per topology."""

load("@rules_python//python:defs.bzl", "py_binary")

def topology(name):
    """`./bazelw run //deploy:<name> -- OVERRIDE ...` serves the topology conf/topology/<name>.yaml."""
    py_binary(
        name = name,
        srcs = ["launch.py"],
        args = [name],
        main = "launch.py",
        deps = ["//src/armature"],
    )
