"""The lock that a killed Snakemake leaves behind."""

import contextlib
import fcntl
import platform
import shutil
import sys
from pathlib import Path
from typing import TextIO


def drop_stale_lock(folder: Path, here: bool) -> TextIO | None:
    """Remove the lock files of a Snakemake that was killed, if it is sure to be dead.

    Snakemake's lock files outlive it. Beside them each call holds a lock of the operating system's,
    which does not: if nobody holds one, and every call since the lock files came was on this host
    and ran its jobs here, they are stale. Otherwise they stay, and Snakemake names `--unlock`.

    Args:
        folder: Snakemake's own folder, `.snakemake`.
        here: whether this call runs its jobs on this machine; jobs in a queue outlive their call.

    Returns:
        The file to keep open as long as the call lasts; None where that cannot be.
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
            elif set(file.read().splitlines()) == {f"{platform.node()} here"}:
                print("the last call was killed: its lock is removed", file=sys.stderr)
                shutil.rmtree(locks)
                file.truncate(0)
        print(call, file=file, flush=True)
        fcntl.flock(file, fcntl.LOCK_SH)
    except OSError:
        return None
    return file
