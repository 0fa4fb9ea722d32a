"""Snakemake in a process of its own, forked from one that has imported it, which is half of a dry
run. Nothing of the workflow is imported there, so each copy of the workflow runs its own code.
"""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["snakemake.cli", "snakemake_executor_plugin_slurm"])


def _call(folder: str, arguments: list[str], environment: dict[str, str], printed: str) -> None:
    """What `python -m snakemake` does in a folder."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = ["snakemake", *arguments]
    os.environ.clear()
    os.environ.update(environment)
    for stream in (1, 2):
        file = os.open(f"{printed}/{stream}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(file, stream)
    from snakemake.cli import main

    main(arguments)


def run_snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run Snakemake in a folder: arguments in, exit code and printed text out."""
    given = ["--cores", "2", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as printed:
        process = SERVER.Process(target=_call, args=(str(folder), given, dict(os.environ), printed))
        process.start()
        process.join()
        text = "".join((Path(printed) / stream).read_text() for stream in ("1", "2"))
    return process.exitcode, text
