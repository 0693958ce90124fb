"""One library per package under src/armature."""

load("@rules_python//python:defs.bzl", "py_library")

def armature_package(name, deps = [], data = []):
    """The library of the package this is called in: its modules, its subpackages' modules, importable as armature.<name>.

    Args:
      name: the package's name, which is its folder's.
      deps: exactly what its modules import.
      data: files that its modules read.
    """
    py_library(
        name = name,
        srcs = native.glob(["**/*.py"]),
        data = data,
        imports = ["../.."],
        visibility = ["//visibility:public"],
        deps = ["//src/armature:base"] + deps,
    )
    native.filegroup(
        name = "sources",
        srcs = native.glob(["**"], exclude = ["**/__pycache__/**", "BUILD.bazel"]),
        visibility = ["//:__subpackages__"],
    )
