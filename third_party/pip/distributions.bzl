"""The distributions of the lock that the build's hardware chooses."""

load("@pypi_cpu//:requirements.bzl", cpu_requirements = "all_requirements")
load("@pypi_cuda//:requirements.bzl", cuda_requirements = "all_requirements")
load("@rules_python//python:defs.bzl", "py_library")

def distributions(names):
    """Targets //third_party/pip:<name>, one per distribution, for strict dependencies."""
    for name in names:
        native.alias(
            name = name,
            actual = select({
                "//:cuda": "@pypi_cuda//" + name,
                "//conditions:default": "@pypi_cpu//" + name,
            }),
        )

def programs(names):
    """Targets //third_party/pip:<name> of distributions that hold programs: rules_python's library has no bin/, all its files do."""
    for name in names:
        py_library(
            name = name,
            data = select({
                "//:cuda": ["@pypi_cuda//" + name + ":extracted_whl_files"],
                "//conditions:default": ["@pypi_cpu//" + name + ":extracted_whl_files"],
            }),
            deps = select({
                "//:cuda": ["@pypi_cuda//" + name],
                "//conditions:default": ["@pypi_cpu//" + name],
            }),
        )

def engine_environment(name):
    """All distributions of the lock at once: an engine imports hundreds of them, many by name at run time."""
    py_library(
        name = name,
        deps = select({
            "//:cuda": cuda_requirements,
            "//conditions:default": cpu_requirements,
        }),
    )
