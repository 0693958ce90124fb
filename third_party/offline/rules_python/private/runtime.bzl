"""The host's CPython as Bazel's Python toolchain."""

# PIP_*: the interpreter's pip fetches the wheels. ARMATURE_BUILD_PYTHON names another interpreter.
ENVIRON = ["ARMATURE_BUILD_PYTHON", "PIP_CERT", "PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL"]

_VERSIONS = ["3.11", "3.12"]

def find_python(rctx):
    """Returns (path, "3.11") of an interpreter that the project supports; fails with the ones tried."""
    asked = rctx.os.environ.get("ARMATURE_BUILD_PYTHON")
    names = [asked] if asked else ["python" + v for v in _VERSIONS] + ["python3"]
    for name in names:
        exe = name if name.startswith("/") else rctx.which(name)
        if not exe:
            continue
        r = rctx.execute([exe, "-I", "-c", "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])"])
        if r.return_code == 0:
            path, version = r.stdout.strip().split("\n")
            if version in _VERSIONS:
                return path, version
    fail("no Python %s here; tried: %s" % (" or ".join(_VERSIONS), ", ".join(names)))

def _python_runtime_impl(rctx):
    exe, _ = find_python(rctx)

    # An empty virtual environment: the same interpreter, without what is installed in it.
    r = rctx.execute([exe, "-I", "-m", "venv", "--without-pip", "--symlinks", "venv"])
    if r.return_code:
        fail("python -m venv failed (Debian: apt-get install python3-venv):\n" + r.stdout + r.stderr)
    rctx.file("BUILD.bazel", """\
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

py_runtime(
    name = "py3",
    interpreter_path = "{exe}",
    python_version = "PY3",
    # Bazel 4's launcher starts with `env python`, which a Debian does not have.
    stub_shebang = "#!{exe}",
)

py_runtime_pair(
    name = "pair",
    py3_runtime = ":py3",
)

toolchain(
    name = "toolchain",
    toolchain = ":pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
""".format(exe = rctx.path("venv/bin/python3")))

python_runtime = repository_rule(
    doc = "An empty virtual environment of the host's Python, and a toolchain that runs it.",
    implementation = _python_runtime_impl,
    environ = ENVIRON + ["PATH"],
    local = True,
)
