"""The environment that the rules' commands run in."""

import os
import sys
from pathlib import Path


def steer_scripts(root: Path) -> None:
    """Let `python -m workflow_src...` work for every rule, from any folder.

    Scripts run under the interpreter that runs Snakemake; a conda environment, being activated
    later, goes before it. Progress bars write to log files, so they write seldom.

    Args:
        root: folder of the checkout.
    """
    here = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])
    os.environ["PYTHONPATH"] = str(root)
    os.environ.setdefault("TQDM_MININTERVAL", "10")
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    # Keep freed memory: on a CPU, glibc hands each step's tensors back and faults them in again.
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))
    os.environ.setdefault("MALLOC_TOP_PAD_", str(2**26))
