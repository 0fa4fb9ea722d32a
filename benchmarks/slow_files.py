"""Run Snakemake where each call about a file takes a while, as on a busy network file system.

    python benchmarks/slow_files.py REPORT.json 0.05 --dry-run ...

Calls about files below the working folder are counted in the report, by where and by what they are;
Python's own files are not. What a call hands over, such as the content of a file, takes no longer.
"""

import atexit
import builtins
import functools
import io
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

CALLS = ("stat", "lstat", "access", "readlink", "scandir", "listdir", "mkdir", "rmdir", "unlink",
         "remove", "rename", "replace", "utime", "chmod", "open")  # fmt: skip
HERE = str(Path.cwd())


def place_of(path) -> str | None:
    """Whether a path is a result, a record of Snakemake's, or another file of this folder."""
    if isinstance(path, int) or path is None:
        return None
    full = os.path.normpath(os.path.join(HERE, os.fsdecode(os.fspath(path))))
    if not full.startswith(HERE):
        return None
    first = full[len(HERE) + 1 :].partition("/")[0]
    return {"results": "results", ".snakemake": "records"}.get(first, "checkout")


def install(seconds: float) -> Counter:
    """Slow the calls down; how often each was made out, which grows."""
    made: Counter = Counter()

    def slowed(name: str, call):
        @functools.wraps(call)
        def wrapper(path=".", *args, **kwargs):
            place = place_of(path)
            if place:
                made[f"{place}: {name}"] += 1
                time.sleep(seconds)
            return call(path, *args, **kwargs)

        return wrapper

    for name in CALLS:
        setattr(os, name, slowed(name, getattr(os, name)))
    builtins.open = io.open = slowed("open", io.open)
    return made


if __name__ == "__main__":
    report, delay = Path(sys.argv[1]), float(sys.argv[2])
    del sys.argv[1:3]
    found = install(delay)
    atexit.register(lambda: report.write_text(json.dumps(found)))
    from snakemake.cli import main

    main()
