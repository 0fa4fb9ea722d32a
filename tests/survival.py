"""Kill a small study many times, go on each time, and compare it with one that nobody killed.

Copies of this checkout run the study of tests/study.yaml and tests/survival.yaml: one in peace, one
killed with `kill -9` at random moments: Snakemake, one of its jobs, all processes at once (as when
the machine goes down), in turn. Each kill is followed by the same command again; a last one runs to
the end. If the study is done too early, the kills go on in a fresh copy.
"""

import contextlib
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil
from conftest import copy_of_the_workflow
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_text

CONFIG = ["--configfile", "config/demo.yaml", "tests/study.yaml", "tests/survival.yaml"]
RESULTS = Path("results/smallest")
TIMES = ("logs", "benchmarks")  # what took how long and what it printed: nothing is made from it
RUN_TIMES = re.compile(rb'<h2 id="times">.*?<h2 ', re.DOTALL)  # likewise, in report.html
VICTIMS = ("Snakemake", "a job", "the machine")


@dataclass
class Kill:
    """A row of the table.

    Args:
        moment: seconds since the call began.
        victim: what was killed.
        running: the scripts that were at work, each with its output.
        torn: results under their final names that differ from the undisturbed ones.
        left: jobs that the next call planned; None if it was killed before it told.
    """

    moment: float
    victim: str
    running: list[str]
    torn: int = 0
    left: int | None = None


def main(
    work: Path, table: Path | None = None, kills: int = 20, seed: int = 0, cores: int = 2
) -> None:
    """Run the copies, compare them, print a table.

    Args:
        work: an empty folder for the copies; they stay there.
        table: where the table goes too, as Markdown.
        kills: how many.
        seed: of the moments and of the jobs that are hit.
        cores: for Snakemake.
    """
    if work.exists() and any(work.iterdir()):
        raise InputError(f"--work {work} is not empty: empty it, or name another folder")
    os.environ["OMP_NUM_THREADS"] = "1"  # the same bits whatever else the machine does
    calm = work / "undisturbed"
    copy_of_the_workflow(calm)
    whole = finish(calm, cores, work / "undisturbed.log")
    planning = finish(calm, cores, work / "nothing.log")
    expected = hashes(calm)

    rng, rows, copies, wrong = random.Random(seed), [], 0, set()
    longest = planning + 1.5 * whole / kills
    plan = [(VICTIMS[number % 3], rng.uniform(0, longest)) for number in range(kills)]
    with tqdm(total=kills, unit="kill") as bar:
        while len(rows) < kills:
            copies += 1
            shaken = work / f"killed{copies}"
            copy_of_the_workflow(shaken)
            for row in shake(shaken, plan[len(rows) :], expected, rng, cores):
                rows.append(row)
                bar.update()
            wrong |= differing(hashes(shaken), expected) | (set(expected) - set(hashes(shaken)))

    jobs = jobs_left(work / "undisturbed.log")
    text = as_markdown(rows, sorted(wrong), len(expected), copies, jobs, whole, cores)
    print(text)
    if table:
        write_text(table, text)
    if wrong:
        sys.exit(f"{len(wrong)} files differ or are missing: compare the copies in {work}")


def call(copy: Path, cores: int, log: Path) -> subprocess.Popen:
    """Start Snakemake in a copy, in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *CONFIG]
    command += ["--scheduler", "greedy"]
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


def shake(
    copy: Path, plan: list[tuple[str, float]], expected: dict, rng: random.Random, cores: int
) -> Iterator[Kill]:
    """Kill a study by a plan of victims and moments until the plan or the study is done."""
    row = None
    for number in range(len(plan) + 1):
        log = copy.with_name(f"{copy.name}-{number + 1:02}.log")
        process, last = call(copy, cores, log), row
        row = strike(process, *plan[number], rng) if number < len(plan) else None
        code = process.wait()
        if last:
            last.left = jobs_left(log)
            yield last
        if row is None:
            if code:
                raise InputError(f"the study failed: see {log}")
            return
        row.torn = len(differing(hashes(copy), expected))


def strike(
    started: subprocess.Popen, victim: str, moment: float, rng: random.Random
) -> Kill | None:
    """Kill at a moment (seconds from now); a job as soon as there is one. None if all was done."""
    process, begun = psutil.Process(started.pid), time.monotonic()
    time.sleep(moment)
    struck = False
    while not struck and started.poll() is None:
        jobs = jobs_of(process)
        struck = bool(jobs) or victim != "a job"
        time.sleep(0 if struck else 0.05)
    if not struck:
        return None
    moment = time.monotonic() - begun
    with contextlib.suppress(psutil.NoSuchProcess):
        if victim == "Snakemake":
            process.kill()
        elif victim == "the machine":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            rng.choice(list(jobs)).kill()
    if started.wait() == 0:  # Snakemake ends by itself after a failed job, once others are done
        return None
    _, alive = psutil.wait_procs(jobs, timeout=10)
    if alive:
        raise InputError(f"jobs outlived their Snakemake: {[jobs[process] for process in alive]}")
    return Kill(moment, victim, sorted(set(jobs.values())))


def hashes(copy: Path) -> dict[str, str]:
    """SHA-256 of every result of the study; hidden files are unfinished work, not results."""
    root = copy / RESULTS
    files = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
    return {
        str(name): hashlib.sha256(RUN_TIMES.sub(b"", path.read_bytes())).hexdigest()
        for name, path in files.items()
        if name.parts[0] not in TIMES and not any(part.startswith(".") for part in name.parts)
    }


def differing(found: dict[str, str], expected: dict[str, str]) -> set[str]:
    """The files found that are not as expected."""
    return {name for name in found if found[name] != expected.get(name)}


def jobs_left(log: Path) -> int | None:
    """How many jobs a call planned, as it printed them."""
    text = log.read_text()
    found = re.search(r"^total +(\d+)$", text, re.M)
    return int(found[1]) if found else 0 if "Nothing to be done" in text else None


def as_markdown(
    rows: list[Kill], wrong: list[str], files: int, copies: int, jobs: int, whole: float, cores: int
) -> str:
    """The table, with what was run where, and the verdict."""
    verdict = f"differ or are missing: {', '.join(wrong)}" if wrong else "are equal, byte for byte"
    lines = [
        "# Survival",
        "",
        f"`make test-survival CORES={cores}`, {date.today()}: {len(rows)} times `kill -9` in the "
        f"{jobs} jobs of tests/study.yaml, cut by tests/survival.yaml, each followed by the same "
        f"command again, in {'one copy' if copies == 1 else f'{copies} copies'} (a study that is "
        f"done before the last kill goes on in a fresh one). On a CPU of {os.cpu_count()} cores, "
        f"one thread a job; undisturbed it took {whole:.0f} s.",
        "",
        f"Of the {files} result files, in every copy, {len(wrong) or 'all'} {verdict}. Left out "
        f"are {' and '.join(TIMES)} and the report's run times, which are times, and hidden files, "
        "which are unfinished work.",
        "",
        "*At work*: the jobs that ran at the kill, with their outputs. *Torn*: files under their "
        "final names that at that moment were not those of the undisturbed study. *Jobs left*: "
        "what the next call planned; ? if it was killed before it told.",
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
