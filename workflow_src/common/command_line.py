"""What every script's command line shares: typed arguments, and errors that end in one line."""

import atexit
import errno
import functools
import gc
import inspect
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, auto_cli
from pydantic import ValidationError

from workflow_src.common.errors import InputError
from workflow_src.common.gpus import require_gpus
from workflow_src.common.jobs import end_with_snakemake
from workflow_src.common.outputs import OutputFolder, claim
from workflow_src.common.validation import one_line

FILE_ERRORS = {
    errno.ENOENT: "it does not exist: check the path, or make it first",
    errno.ENOSPC: "the disk is full: free some space, or move results/ to a larger disk",
    errno.EDQUOT: "your disk quota is used up: free some space, or move results/ elsewhere",
    errno.EACCES: "it may not be read or written: change its permissions, or give another path",
    errno.EISDIR: "it is a folder: give a file",
    errno.ENOTDIR: "a part of the path is a file: give another path",
    errno.EIO: "the disk fails to read or write: check it, then start again",
    errno.EROFS: "the file system is read-only: move results/ to one that can be written",
    errno.EFBIG: "it would be larger than the file system or a limit of yours (ulimit -f) allows: "
    "move results/ to a larger disk, or lift the limit",
    errno.ESTALE: "the network file system has lost it: start again",
}
# What libraries tell of a file that they could not write, in words of their own or after it.
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.ESTALE)
NUMBERED = re.compile(r"\bos error (\d+)\b")  # safetensors
HALF_WRITTEN = re.compile(
    r"requested and \d+ written|unexpected pos \d+ vs|iostream error"  # numpy, PyTorch
)
# What jsonargparse and pydantic tell beside what is wrong.
NOISE = re.compile(
    r"Parser key |Unable to load config|Errors:|Subtypes: \[.*\]|Given value type: .*"
    r"|Does not validate against any of the Union subtypes|- Expected a <class 'NoneType'>"
    r"|\d+ validation errors? for \S+|\[type=\w+, .*?\]|For further information visit \S+"
)
# Imports make a million objects that stay. Looking for garbage among them every 700, as Python
# does, takes a quarter of a start; every 100,000, nothing that can be measured.
GARBAGE_THRESHOLDS = (100_000, 50, 50)


class OneLineParser(ArgumentParser):
    """Says what is wrong with an option in one line, without the usage before it."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        told = " ".join(NOISE.sub("", message).split())
        self.exit(2, f"error: {told}; --help tells all options\n")


def run(main: Callable[..., None]) -> None:
    """Run a script's `main`, its command line made from the signature.

    What the user can fix ends in one line that says how, not in a traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    end_with_snakemake()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    succeeded: list[bool] = []
    if main.__module__ == "__main__":  # and not called by a test, whose process goes on
        atexit.register(_leave, succeeded)
    try:
        require_gpus()
        auto_cli(claiming(main), as_positional=False, parser_class=OneLineParser)
    except ValidationError as error:  # what no option alone is wrong in
        sys.exit(f"error: {one_line(error)}")
    except (InputError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        line = of_the_system(error)
        if line is None:
            raise
        sys.exit(f"error: {line}")
    succeeded.append(True)


def of_the_system(error: BaseException) -> str | None:
    """What the system refused, and the remedy; None if the error is of another kind."""
    if isinstance(error, OSError) and (error.filename or error.errno in FILE_ERRORS):
        remedy = FILE_ERRORS.get(
            error.errno or 0, f"{error.strerror}: check the path and the disk, then start again"
        )
        return f"{error.filename or 'a file'}: {remedy}"
    if number := NUMBERED.search(str(error)):
        return of_the_system(OSError(int(number[1]), os.strerror(int(number[1]))))
    earlier = error.__cause__ or error.__context__
    while earlier is not None:
        if isinstance(earlier, OSError) and earlier.errno in OF_THE_DISK:
            return of_the_system(earlier)
        earlier = earlier.__cause__ or earlier.__context__
    if HALF_WRITTEN.search(str(error)):
        return (
            "a file could not be written whole: the disk is full, or fails; free some space, or "
            "move results/ to another one"
        )
    return None


def _leave(succeeded: list[bool]) -> None:
    """End a script that succeeded, without freeing object by object what its imports made.

    That would take 1.7 s after diffusers, a third of a short job. Being registered first, this runs
    last: threads have ended and all else that is registered has run.
    """
    if succeeded:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def claiming(main: Callable[..., None]) -> Callable[..., None]:
    """A `main` that takes its output folders before it does anything, or refuses them."""
    parameters = inspect.signature(main).parameters.items()
    folders = [name for name, given in parameters if given.annotation is OutputFolder]

    @functools.wraps(main)
    def claimed(**given: Any) -> None:
        files = []
        for name in folders:
            paths = [path for key, path in given.items() if key != name and isinstance(path, Path)]
            if any(path.resolve() == given[name].resolve() for path in paths):
                raise InputError(f"--{name} {given[name]} is read too: give another folder")
            files.append(claim(given[name], f"--{name}"))
        main(**given)

    return claimed
