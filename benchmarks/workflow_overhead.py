"""What the workflow costs beside the work itself: planning, start-up of the scripts, jobs.

    python benchmarks/workflow_overhead.py --folder /tmp/overhead

Planning is `snakemake --dry-run` of the paper's study in a fresh clone, in turns with more seeds.
The rest comes from a true run of the smallest study (tests/study.yaml) there on one core: Python
reports what its imports took, in every process; Snakemake what each job took.
"""

import csv
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from workflow_src.common.command_line import run  # noqa: E402

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "1", "--scheduler", "greedy"]
SMALLEST = ["--configfile", "config/demo.yaml", "tests/study.yaml"]
IMPORT = re.compile(r"import time: +(\d+) \|")  # microseconds of one module by itself
# A line of the jobs' table that Snakemake prints: rule and count.
TOTAL = re.compile(r"^total +(\d+)", re.M)


def call(arguments: list[str], folder: Path) -> tuple[float, float, str]:
    """Seconds by the clock and of the processor, and what was printed."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        [*SNAKEMAKE, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    wall, after = time.perf_counter() - start, os.times()
    spent = after.children_user - before.children_user
    return wall, spent + after.children_system - before.children_system, done.stdout + done.stderr


def planning(folder: Path, rounds: int, seeds: list[int]) -> list[dict]:
    """Median seconds of planning the paper's study with so many seeds, taken in turns."""
    found = defaultdict(list)
    for _ in range(rounds):
        for number in seeds:
            config = ["--config", f"seeds={list(range(number))}"]
            found[number].append(call(["--dry-run", "--quiet", "rules", *config], folder))
    return [
        {
            "seeds": number,
            "jobs": int(TOTAL.search(calls[0][2])[1]),
            "wall s": statistics.median(c[0] for c in calls),
            "CPU s": statistics.median(c[1] for c in calls),
        }
        for number, calls in found.items()
    ]


def jobs(results: Path) -> list[dict]:
    """Of each finished job of a study: rule, seconds by the clock, seconds of imports."""
    found = []
    for record in sorted((results / "benchmarks").rglob("*.tsv")):
        with record.open() as file:
            wall = sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        place = record.relative_to(results / "benchmarks").with_suffix(".log")
        log = results / "logs" / place
        if log.is_file():
            imports = sum(map(int, IMPORT.findall(log.read_text(errors="replace")))) / 1e6
            rule = place.parts[0].removesuffix(".log")
            found.append({"rule": rule, "wall": wall, "imports": imports})
    return found


def by_rule(found: list[dict]) -> list[dict]:
    """A row per rule, the one that imports longest first."""
    rules = defaultdict(list)
    for job in found:
        rules[job["rule"]].append(job)
    rows = [
        {
            "rule": rule,
            "jobs": len(of_rule),
            "a job, s": statistics.median(job["wall"] for job in of_rule),
            "imports, s": statistics.median(job["imports"] for job in of_rule),
        }
        for rule, of_rule in rules.items()
    ]
    return sorted(rows, key=lambda row: -row["imports, s"])


def table(rows: list[dict]) -> str:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    for row in rows:
        cells = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(
    folder: Path, rounds: int = 3, seeds: tuple[int, ...] = (3, 12), study: bool = True
) -> None:
    """Print the tables.

    Args:
        folder: where to clone this checkout's last commit to; must not exist.
        rounds: plans of each size, of which the median counts.
        seeds: of the paper's study, numbers of them; the first and the last are compared.
        study: whether to run the smallest study, too; minutes.
    """
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    rows = planning(folder, rounds, list(seeds))
    print(table(rows))
    first, last = rows[0], rows[-1]
    for what in ("wall s", "CPU s"):
        more = 1000 * (last[what] - first[what]) / (last["jobs"] - first["jobs"])
        print(f"\n{what}: {more:.2f} ms a job more.")
    if not study:
        return
    os.environ["PYTHONPROFILEIMPORTTIME"] = "1"
    wall, _, printed = call(SMALLEST, folder)
    found = jobs(folder / "results" / "smallest")
    print("\n" + table(by_rule(found)))
    spent, imports = sum(j["wall"] for j in found), sum(j["imports"] for j in found)
    number = int(TOTAL.search(printed)[1])
    print(
        f"\n{number} jobs in {wall:.0f} s: {spent:.0f} s in scripts, of which {imports:.0f} s are "
        f"imports; {(wall - spent) / number:.2f} s a job are Snakemake's."
    )


if __name__ == "__main__":
    run(main)
