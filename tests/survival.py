"""Kill a small study many times, go on each time, and compare it with one that nobody killed.

Two copies of this checkout run the study of tests/study.yaml and tests/survival.yaml: one in peace,
the other killed with `kill -9` at random moments: Snakemake, one of its jobs, all processes at once
(as when the machine goes down), in turn. Each kill is followed by one more call of the same
command; a last one runs to the end.
"""

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil
from conftest import copy_of_the_workflow
from tqdm import tqdm

from workflow_src.command import run
from workflow_src.errors import InputError
from workflow_src.runs import write_text

CONFIG = ["--configfile", "config/demo.yaml", "tests/study.yaml", "tests/survival.yaml"]
RESULTS = Path("results/smallest")
TIMES = ("logs", "benchmarks")  # what took how long and what it printed: nothing is made from it
VICTIMS = ("Snakemake", "a job", "the machine")


@dataclass
class Kill:
    """A row of the table.

    Args:
        moment: seconds since the call began.
        victim: what was killed.
        running: the scripts that were at work, each with its output.
        torn: results under their final names that differ from the undisturbed ones.
        left: jobs that the next call found left; None if that one was killed before it told.
    """

    moment: float
    victim: str
    running: list[str]
    torn: int = 0
    left: int | None = None


def main(
    work: Path, table: Path | None = None, kills: int = 20, seed: int = 0, cores: int = 2
) -> None:
    """Run both copies, compare them, print a table.

    Args:
        work: an empty folder for the two copies; they stay there.
        table: where the table goes too, as Markdown.
        kills: how many.
        seed: of the moments and of the jobs that are hit.
        cores: for Snakemake.
    """
    if work.exists() and any(work.iterdir()):
        raise InputError(f"--work {work} is not empty: empty it, or name another folder")
    os.environ["OMP_NUM_THREADS"] = "1"  # the same bits whatever else the machine does
    calm, shaken = work / "undisturbed", work / "killed"
    copy_of_the_workflow(calm)
    copy_of_the_workflow(shaken)
    whole = finish(calm, cores, work / "undisturbed.log")
    planning = finish(calm, cores, work / "nothing.log")
    expected = hashes(calm)

    rng, rows = random.Random(seed), []
    for number in tqdm(range(kills), unit="kill"):
        log = work / f"killed{number + 1:02}.log"
        moment = rng.uniform(0, planning + 1.5 * whole / kills)
        rows.append(strike(call(shaken, cores, log), VICTIMS[number % 3], moment, rng))
        found = hashes(shaken)
        rows[-1].torn = sum(found[name] != expected.get(name) for name in found)
        if number:
            rows[-2].left = jobs_left(log)
    finish(shaken, cores, work / "last.log")
    rows[-1].left = jobs_left(work / "last.log")

    found = hashes(shaken)
    wrong = sorted(n for n in expected | found if expected.get(n) != found.get(n))
    text = as_markdown(rows, wrong, len(expected), whole, f"--kills {kills} --seed {seed}", cores)
    print(text)
    if table:
        write_text(table, text)
    if wrong:
        sys.exit(f"{len(wrong)} files differ or are missing: compare {calm} with {shaken}")


def call(copy: Path, cores: int, log: Path) -> subprocess.Popen:
    """Start Snakemake in a copy, in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *CONFIG]
    command += ["--scheduler", "greedy", "--rerun-incomplete"]
    with log.open("w") as file:
        return subprocess.Popen(
            command, cwd=copy, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def finish(copy: Path, cores: int, log: Path) -> float:
    """Let a call run to its end; returns its seconds."""
    begun = time.monotonic()
    if call(copy, cores, log).wait():
        raise InputError(f"the study failed: see {log}")
    return time.monotonic() - begun


def jobs_of(process: psutil.Process) -> dict[psutil.Process, str]:
    """The scripts that run under a Snakemake, and what each makes."""
    jobs = {}
    for child in process.children(recursive=True):
        try:
            words = " ".join(child.cmdline())
        except psutil.NoSuchProcess:
            continue
        found = re.match(r"\S*python\S* -m workflow_src\.(\w+).* --output (\S+)", words)
        if found:
            jobs[child] = f"{found[1]} {found[2].removeprefix(f'{RESULTS}/')}"
    return jobs


def strike(started: subprocess.Popen, victim: str, moment: float, rng: random.Random) -> Kill:
    """Kill at a moment (seconds from now), a job at the first moment after it that there is one."""
    process, begun = psutil.Process(started.pid), time.monotonic()
    time.sleep(moment)
    jobs = {}
    while started.poll() is None:
        jobs = jobs_of(process)
        if jobs or victim != "a job":
            break
        time.sleep(0.05)
    if started.poll() is not None:
        raise InputError("the study ended before its last kill: give another --seed")
    moment = time.monotonic() - begun
    if victim == "Snakemake":
        process.kill()
    elif victim == "the machine":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        rng.choice(list(jobs)).kill()
    started.wait()  # Snakemake ends by itself after a failed job, once the others are done
    _, alive = psutil.wait_procs(jobs, timeout=10)
    if alive:
        raise InputError(f"jobs outlived their Snakemake: {[jobs[process] for process in alive]}")
    return Kill(moment, victim, sorted(set(jobs.values())))


def hashes(copy: Path) -> dict[str, str]:
    """SHA-256 of every result of the study; hidden files are unfinished work, not results."""
    root = copy / RESULTS
    files = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if name.parts[0] not in TIMES and not any(part.startswith(".") for part in name.parts)
    }


def jobs_left(log: Path) -> int | None:
    """How many jobs a call planned, as it printed them."""
    found = re.search(r"^total +(\d+)$", log.read_text(), re.M)
    return int(found[1]) if found else None


def as_markdown(
    rows: list[Kill], wrong: list[str], files: int, whole: float, options: str, cores: int
) -> str:
    """The table, with what was run where, and the verdict."""
    verdict = f"differ or are missing: {', '.join(wrong)}" if wrong else "are equal, byte for byte"
    lines = [
        "# Survival",
        "",
        f"`make test-survival` ({options}), {date.today()}, on a CPU: `--cores {cores}` of "
        f"{os.cpu_count()}, one thread a job. The undisturbed study took {whole:.0f} s.",
        "",
        f"Of {files} result files {len(wrong) or 'all'} {verdict}.",
        "",
        "| # | after | killed | at work | torn | jobs left |",
        "|--:|--:|---|---|--:|--:|",
    ]
    for number, row in enumerate(rows, 1):
        running = "; ".join(row.running) or "Snakemake alone, planning or between jobs"
        left = "?" if row.left is None else row.left
        lines.append(
            f"| {number} | {row.moment:.1f} s | {row.victim} | {running} | {row.torn} | {left} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(main)
