"""Whether torch.compile can work here: it builds code with a compiler against Python's headers."""

import os
import shutil
import sysconfig
from pathlib import Path


def why_not_compile(on_gpu: bool) -> str | None:
    """What a machine lacks for torch.compile, in words; None if nothing.

    Args:
        on_gpu: kernels of a GPU are started by code in C, those of a CPU are in C++.
    """
    variable, candidates = ("CC", ("clang", "gcc")) if on_gpu else ("CXX", ("g++",))
    chosen = os.environ.get(variable)
    if not any(map(shutil.which, (chosen,) if chosen else candidates)):
        return f"no compiler ({chosen or ' or '.join(candidates)}; ${variable} may name another)"
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.is_file():
        return f"no {header}: Python's headers, often a package named python3-dev"
    return None
