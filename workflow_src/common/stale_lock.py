"""The lock that a killed Snakemake leaves behind."""

import contextlib
import fcntl
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TextIO

from workflow_src.common.errors import InputError


def drop_stale_lock(folder: Path, here: bool) -> TextIO | None:
    """Remove the lock files of a Snakemake that was killed, if it is sure to be dead.

    Snakemake's lock files outlive it. Beside them each call holds a lock of the operating system's,
    which does not: if nobody holds one, and every call since the lock files came was on this host
    and none of their jobs is in the queue, they are stale. Otherwise they stay, and Snakemake names
    `--unlock`.

    Args:
        folder: Snakemake's own folder, `.snakemake`.
        here: whether this call runs its jobs on this machine; jobs in a queue outlive their call.

    Returns:
        The file to keep open as long as the call lasts; None where that cannot be.

    Raises:
        InputError: naming the jobs of a killed call that are in the queue.
    """
    locks, call = folder / "locks", f"{platform.node()} {'here' if here else 'queue'}"
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / "calls").open("a+")
        with contextlib.suppress(BlockingIOError):  # another call is at work
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.seek(0)
            if not locks.exists() or not any(locks.iterdir()):
                file.truncate(0)
            elif _nothing_lives(file.read().splitlines(), folder.resolve().parent):
                print("the last call was killed: its lock is removed", file=sys.stderr)
                shutil.rmtree(locks)
                file.truncate(0)
        print(call, file=file, flush=True)
        fcntl.flock(file, fcntl.LOCK_SH)
    except OSError:
        return None
    return file


def _nothing_lives(calls: list[str], workdir: Path) -> bool:
    """Whether calls that were killed on this host have no job that lives on."""
    if {line.split()[0] for line in calls} != {platform.node()}:
        return False
    if all(line.endswith(" here") for line in calls):
        return True
    jobs = jobs_in_queue(workdir)
    if jobs:
        raise InputError(
            f"a killed Snakemake left {len(jobs)} job(s) in the queue, which work here still: end "
            f"them (scancel {' '.join(jobs)}), or wait for them, and run this again; a training "
            "that was ended resumes"
        )
    return jobs is not None


def jobs_in_queue(workdir: Path) -> list[str] | None:
    """Numbers of the jobs that a Snakemake started from a folder has in Slurm's queue.

    Args:
        workdir: the folder.

    Returns:
        None if Slurm gives no answer.
    """
    ask = ["squeue", "--me", "--noheader", "--format=%i|%k|%Z"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [line.split("|", 2) for line in said.splitlines()]
    return [number for number, comment, place in rows
            if comment.startswith("rule_") and place == str(workdir)]  # fmt: skip
