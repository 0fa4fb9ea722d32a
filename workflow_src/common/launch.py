"""Start a step on GPUs: `python -m workflow_src.common.launch --gpus 1 -m workflow_src.STEP ...`.

The step gets GPUs that no other job of yours on this machine uses, and ends in one line if it does
not find as many. A queue that shows each job its own GPUs has the last word on which.
"""

import argparse
import logging
import os
import sys

from workflow_src.common.errors import InputError
from workflow_src.common.gpus import ASKED, require_gpus, take


def in_processes(count: int, step: list[str]) -> None:
    """Run a step in several processes by PyTorch's launcher, and end with them.

    It finds a free port. accelerate's takes the same for all jobs, and reads the settings that a
    user made for other programs.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    require_gpus()  # here, so that it is said once
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torchrun's default, of which it warns
    try:
        torchrun(["--standalone", f"--nproc_per_node={count}", "-m", *step])
    except ChildFailedError:  # the process itself said why
        sys.exit(1)


def main() -> None:
    """Take the GPUs, then become the step or start its processes."""
    parser = argparse.ArgumentParser("python -m workflow_src.common.launch", description=__doc__)
    parser.add_argument("--gpus", type=int, default=0, help="that the step must find")
    parser.add_argument("--processes", type=int, default=1, help="to start the step in")
    parser.add_argument(
        "-m", dest="step", nargs=argparse.REMAINDER, required=True, help="the step and its options"
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if given.gpus:
        os.environ[ASKED] = str(given.gpus)
        take(given.gpus)
    if given.processes > 1:
        in_processes(given.processes, given.step)
    else:
        os.execv(sys.executable, [sys.executable, "-m", *given.step])


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
