"""A lease on an output folder: who works in it now, so that a second job waits for the first.

A queue may start a job again while it still runs: on a node that it lost sight of, or for a
Snakemake that was killed and started anew. The owner renews its lease again and again; one that is
not renewed for long is over. Not every network file system passes the operating system's locks on
to other machines, so a lease is an ordinary file.
"""

import contextlib
import json
import logging
import os
import platform
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import psutil

from workflow_src.common.errors import InputError
from workflow_src.common.jobs import host

NAME = ".lease"
BEAT = 10.0  # seconds between renewals
# Seconds without a renewal after which a lease is over. NFS may show a file as it was a minute ago.
PATIENCE = 120.0
SETTLING = 2.0  # seconds in which two jobs that take the same lease see each other
LOOK = 0.5  # seconds between looks at another's lease

log = logging.getLogger(__name__)


class Lease:
    """The right to work in a folder, from `take` until `release` or the end of the process.

    Args:
        folder: which.
        key: of what is made there: all that shapes the result.
    """

    def __init__(self, folder: Path, key: str):
        self.file, self.key = folder / NAME, key
        self.release = lambda: None  # replaced once there is something to release

    def take(self, marker: Path) -> bool:
        """Take the lease, waiting for its owner to end.

        Args:
            marker: the file that says that the folder is whole.

        Returns:
            False, and no lease, if the job that was waited for has made just the same.
        """
        met: dict = {}
        unowned = 0.0  # seconds
        while not _is_ours(held := _read(self.file)):
            if held is None and met.get("key") == self.key and marker.is_file():
                log.info("%s was made by %s meanwhile", marker.parent, met["name"])
                return False
            if not _is_first():  # the first process takes it for all, unless all is made
                time.sleep(LOOK)
                unowned = unowned + LOOK if held is None else 0.0
                if unowned > PATIENCE and marker.is_file():
                    return False
            elif held is None:
                with contextlib.suppress(FileExistsError), open(self.file, "x") as file:
                    file.write(_content(self.key, 0))
            elif self._is_over(held, waited_for=bool(met)):
                log.info("%s ended: this job goes on", held.get("name"))
                _write(self.file, self.key, 0)
                time.sleep(SETTLING)
            met = met if held is None else held
        if _is_first():
            over = threading.Event()
            threading.Thread(target=_renew, args=(self.file, self.key, over), daemon=True).start()
            self.release = weakref.finalize(self, _release, self.file, over, os.getpid())
        return True

    def check(self) -> None:
        """See that the lease is still held.

        Raises:
            InputError: if another job took it, this one having stood still for long.
        """
        _check(self.file)

    def _is_over(self, held: dict, waited_for: bool) -> bool:
        """Whether the owner is gone: seen to be, or silent for so long that it must be."""
        if not waited_for:
            log.info("waiting: %s is being made by %s", self.file.parent, held.get("name"))
        if _has_ended(held):
            return True
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            time.sleep(LOOK)
            if _read(self.file) != held:
                return False
            if _has_ended(held):
                return True
        return True


def _renew(file: Path, key: str, over: threading.Event) -> None:
    """Renew a lease until it is over; without it, end the process."""
    beats = 0
    while not over.wait(BEAT):
        beats += 1
        try:
            _check(file)
            _write(file, key, beats)
        except InputError as error:
            log.error("error: %s", error)
            os._exit(1)
        except OSError as error:  # a network file system may come back
            log.warning("%s cannot be renewed: %s", file, error)


def _check(file: Path) -> None:
    held = _read(file)
    if held is not None and not _is_ours(held):
        name = held.get("name", "another job")
        raise InputError(f"{file.parent} was taken over by {name}, this job having stood still")


def _release(file: Path, over: threading.Event, process: int) -> None:
    over.set()
    with contextlib.suppress(OSError):
        if process == os.getpid() and _is_ours(_read(file)):  # a forked process gives nothing back
            file.unlink()


def _write(file: Path, key: str, beats: int) -> None:
    beside = file.with_name(f"{NAME}.{platform.node()}-{os.getpid()}")
    beside.write_text(_content(key, beats))
    os.replace(beside, file)


def _content(key: str, beats: int) -> str:
    job = os.environ.get("SLURM_JOB_ID")
    name = f"job {job}" if job else f"process {os.getpid()} on {platform.node()}"
    return json.dumps({"owner": _this_job(), "name": name, "key": key, "renewed": beats})


def _read(file: Path) -> dict | None:
    """None if nobody has the lease; an empty one is just being written."""
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def _is_first() -> bool:
    """Whether this process is the only one of its job, or the first of several."""
    return os.environ.get("RANK", "0") == "0"


def _is_ours(held: dict | None) -> bool:
    return held is not None and held.get("owner") == _this_job()


def _this_job() -> dict[str, Any]:
    """The job, by a process of this machine: by that which started the others if it has several."""
    process = psutil.Process(os.getppid() if "RANK" in os.environ else os.getpid())
    return {"host": host(), "process": process.pid, "began": process.create_time()}


def _has_ended(held: dict) -> bool:
    """Whether the owner was a process of this machine that has ended."""
    owner = held.get("owner", {})
    if owner.get("host") != host():
        return False
    try:
        process = psutil.Process(owner["process"])
        same = process.create_time() == owner["began"]
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
