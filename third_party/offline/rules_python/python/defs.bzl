"""rules_python's py_library, py_binary and py_test, as Bazel's own rules (Bazel 4 to 7)."""

def py_library(**kwargs):
    native.py_library(**kwargs)

def py_binary(**kwargs):
    native.py_binary(**_strict(kwargs))

def py_test(**kwargs):
    native.py_test(**_strict(kwargs))

def _strict(kwargs):
    # Bazel would otherwise put an empty __init__.py into every folder, and tests/ would shadow what is installed.
    return dict({"legacy_create_init": 0}, **kwargs)
