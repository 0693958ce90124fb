"""Python runs this at the start of every process whose import path holds this folder.

It turns the CPU stand-ins on where the environment asks for them, and then runs the sitecustomize module that this one
hides, if the installation has one.
"""

import importlib.machinery
import importlib.util
import os
import sys

if os.environ.get("SGLANG_USE_CPU_ENGINE") == "1":
    try:
        from armature.engine.cpu import hooks
    except ModuleNotFoundError:  # a Python that does not have the project: nothing of ours can be meant
        pass
    else:
        hooks.install()

_here = os.path.dirname(os.path.abspath(__file__))
_hidden = importlib.machinery.PathFinder.find_spec("sitecustomize", [p for p in sys.path if os.path.abspath(p) != _here])
if _hidden is not None and _hidden.loader is not None:
    _hidden.loader.exec_module(importlib.util.module_from_spec(_hidden))
