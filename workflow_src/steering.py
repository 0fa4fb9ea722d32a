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
