"""What a study is said to cost: its plan, and what was measured."""

import subprocess
import sys
from types import SimpleNamespace

from workflow_src.readiness.hours import Cost, cost_of, rows


class Job:
    """What is read of a planned job."""

    def __init__(self, rule: str, **wildcards: str):
        self.rule, self.wildcards = SimpleNamespace(name=rule), SimpleNamespace(**wildcards)


def test_hours_by_hand():
    first, second, shared = Job("train"), Job("train"), Job("cache")
    tables = [Job("make_table", table=f"table{n}") for n in "12"]
    waits = {tables[0]: [first, shared], tables[1]: [second, shared]}
    waits |= {first: [], second: [], shared: []}
    costs = {
        first: Cost("train", 1, 2, 7200.0, 3600.0),
        second: Cost("train", 1, 2, 7200.0, None),  # as long as the other that is done
        shared: Cost("cache", 2, 4, 7200.0, None),  # at most what it asks for
        tables[0]: Cost("make_table", 0, 1, 0.0, None),
        tables[1]: Cost("make_table", 0, 1, 0.0, None),
    }
    one, two, everything = rows(waits, costs)
    assert (one["target"], one["jobs"], one["done"]) == ("table1", 3, 1)
    assert one["GPU-hours"] == two["GPU-hours"] == 1 + 2 * 2
    assert one["GPU-hours, no other table's"] == 1
    assert one["CPU-hours"] == 2 + 4 * 2
    assert everything["jobs"] == 5 and everything["GPU-hours"] == 1 + 1 + 4


def test_a_job_counts_as_measured_only_if_it_is_done(tmp_path):
    record, made = tmp_path / "record.tsv", tmp_path / "made"
    record.write_text("s\tmax_rss\n90.5\t10\n")
    facts = {"benchmark": record, "output": [made], "threads": 2, "rule": SimpleNamespace(name="a")}
    found = SimpleNamespace(**facts, resources={"gpu": 1, "runtime": 10})
    assert cost_of(found) == Cost("a", 1, 2, 600.0, None)
    made.touch()
    assert cost_of(found) == Cost("a", 1, 2, 600.0, 90.5)


def test_a_study_is_planned_whole(checkout):
    """In a process of its own: Snakemake's API leaves signal handlers behind."""
    done = subprocess.run(
        [sys.executable, "-m", "workflow_src.estimate_hours",
         "--configfiles", "[config/demo.yaml]"],
        cwd=checkout, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, _, *lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in found] == [*(f"table{n}" for n in range(1, 7)), "everything"]
    assert all(0 < float(row[5]) <= float(found[-1][5]) for row in found)
    assert "Measured: nothing yet." in done.stdout and "train_nnunet" in done.stdout
