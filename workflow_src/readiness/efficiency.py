"""What jobs asked for, against what they used: per rule, with the line of config that would fit."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

MARGIN = 1.3  # of what was used the most, since the next data set is another
LEAST = {"mem_mb": 1000, "runtime": 10, "threads": 1}  # not worth asking for less
UNIT = {"mem_mb": 500, "runtime": 5, "threads": 1}  # steps in which one asks


def used(benchmark: Path) -> dict[str, float] | None:
    """What a job used at most, by the names of resources; None if its file holds no measurement.

    Memory is resident, in MB; runtime in minutes; threads are processor time over wall time.
    """
    with benchmark.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    found = []
    for row in rows:
        try:
            seconds, memory, busy = (float(row[name]) for name in ("s", "max_rss", "cpu_time"))
        except (KeyError, TypeError, ValueError):
            continue  # a job that ends at once is not measured
        found.append((memory, seconds / 60, busy / max(seconds, 1e-9)))
    if not found:
        return None
    return dict(zip(("mem_mb", "runtime", "threads"), map(max, zip(*found, strict=True)),
                    strict=True))  # fmt: skip


def by_rule(benchmarks: Path, config: dict) -> Iterator[dict]:
    """A row per rule that asks for resources and has been measured, the largest use of its jobs.

    Args:
        benchmarks: the study's folder of them, a folder per rule.
        config: the study's.
    """
    for folder in sorted(path for path in benchmarks.iterdir() if path.is_dir()):
        measured = [found for file in sorted(folder.glob("*.tsv")) if (found := used(file))]
        if not measured or folder.name not in config["resources"]:
            continue
        asked = config["resources"]["default"] | config["resources"][folder.name]
        most = {name: max(one[name] for one in measured) for name in LEAST}
        fitting = {name: fit(name, most[name]) for name in LEAST}
        yield {"rule": folder.name, "jobs": len(measured), "asked": asked, "used": most,
               "line": line(folder.name, asked, fitting)}  # fmt: skip


def fit(name: str, most: float) -> int:
    """What to ask for where so much was used: rounded up, with a margin; threads without one."""
    wanted = most if name == "threads" else most * MARGIN
    return max(LEAST[name], math.ceil(wanted / UNIT[name] - 1e-6) * UNIT[name])


def line(rule: str, asked: dict, fitting: dict[str, int]) -> str:
    """The line of config under `resources` for what is less than half used, or not enough."""
    change = {
        name: wanted for name, wanted in fitting.items()
        if 2 * wanted <= asked[name] or wanted > asked[name]
    }  # fmt: skip
    text = ", ".join(f"{name}: {wanted}" for name, wanted in change.items())
    return f"{rule}: {{{text}}}" if change else ""
