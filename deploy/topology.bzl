"""Runnable targets: one per topology, and those that measure."""

load("@rules_python//python:defs.bzl", "py_binary")

def command(name, words):
    """`./bazelw run //deploy:<name> -- WORD ...` runs `armature <words> WORD ...`."""
    py_binary(
        name = name,
        srcs = ["launch.py"],
        args = words,
        data = ["//loadtests:locustfile"],
        main = "launch.py",
        deps = [
            "//loadtests:armature_load",
            "//src/armature",
        ],
    )

def topology(name):
    """`./bazelw run //deploy:<name> -- OVERRIDE ...` serves the topology conf/topology/<name>.yaml."""
    command(name, ["up", name])
