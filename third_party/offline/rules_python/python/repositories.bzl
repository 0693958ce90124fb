"""What WORKSPACE calls: the interpreter, and one hub of distributions per lock."""

load("//private:hub.bzl", "pip_hub")
load("//private:runtime.bzl", "python_runtime")
load("//private:wheels.bzl", "pip_wheels")

def py_repositories():
    """Registers the host's CPython, cut off from what is installed in it."""
    python_runtime(name = "host_python")
    native.register_toolchains("@host_python//:toolchain")

def pip_parse(name, requirements_lock):
    """The distributions of a hashed lock, as targets @<name>//<distribution>.

    The hub is made from the lock's text alone. The wheels behind it are a repository of their own, fetched when a target
    that is built needs one of them; so a lock that no target of this build selects costs nothing.

    Args:
      name: the hub's name.
      requirements_lock: the lock, with a hash for every file.
    """
    pip_wheels(name = name + "_wheels", requirements_lock = requirements_lock)
    pip_hub(name = name, requirements_lock = requirements_lock, wheels = name + "_wheels")
