"""What every script's command line shares: typed arguments, and errors that end in one line."""

import errno
import logging
import sys
from collections.abc import Callable

from jsonargparse import auto_cli
from pydantic import ValidationError

from workflow_src.common.errors import InputError
from workflow_src.common.gpus import require_gpus
from workflow_src.common.jobs import end_with_snakemake
from workflow_src.common.validation import one_line

FILE_ERRORS = {
    errno.ENOENT: "it does not exist: check the path, or make it first",
    errno.ENOSPC: "the disk is full: free some space, or move results/ to a larger disk",
    errno.EDQUOT: "your disk quota is used up: free some space, or move results/ elsewhere",
    errno.EACCES: "it may not be read or written: change its permissions, or give another path",
    errno.EROFS: "the file system is read-only: move results/ to one that can be written",
}


def run(main: Callable[..., None]) -> None:
    """Run a script's `main`, its command line made from the signature.

    What the user can fix ends in one line that says how, not in a traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    end_with_snakemake()
    try:
        require_gpus()
        auto_cli(main, as_positional=False)
    except ValidationError as error:  # what no option alone is wrong in
        sys.exit(f"error: {one_line(error)}")
    except (InputError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in FILE_ERRORS:
            raise
        sys.exit(f"error: {error.filename or 'a file'}: {FILE_ERRORS[error.errno]}")
