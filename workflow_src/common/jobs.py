"""The environment that the rules' commands run in, and their end when Snakemake is killed."""

import contextlib
import os
import platform
import sys
import threading
import time
from pathlib import Path

SNAKEMAKE = "WORKFLOW_SNAKEMAKE"


def steer_scripts(root: Path) -> None:
    """Let `python -m workflow_src...` work for every rule, from any folder.

    Scripts run under the interpreter that runs Snakemake; a conda environment, being activated
    later, goes before it. Progress bars write to log files, so they write seldom.

    Args:
        root: folder of the checkout.
    """
    here = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])
    os.environ["PYTHONPATH"] = os.environ["WORKFLOW_ROOT"] = str(root)
    os.environ[SNAKEMAKE] = f"{host()} {os.getpid()}"
    os.environ.setdefault("TQDM_MININTERVAL", "10")
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    # Keep freed memory: on a CPU, glibc hands each step's tensors back and faults them in again.
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))
    os.environ.setdefault("MALLOC_TOP_PAD_", str(2**26))


def host() -> str:
    """Where a process number means the same process: this machine, since it was started, and this
    container on it.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"


def end_with_snakemake() -> None:
    """End this process, and those below it, once the Snakemake that started it is gone.

    After a `kill -9` of Snakemake its jobs would go on, and write into the folders of the next
    call's jobs. A script that no Snakemake started, or one in another container, is left alone.
    """
    import psutil

    there, _, number = os.environ.get(SNAKEMAKE, "").rpartition(" ")
    if there != host():
        return
    try:
        snakemake = psutil.Process(int(number))
    except psutil.NoSuchProcess:  # killed while this script was starting
        sys.exit("error: the Snakemake that started this job is gone")

    def watch() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while snakemake.is_running() and snakemake.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.5)
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
