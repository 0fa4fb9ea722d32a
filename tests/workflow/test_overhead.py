"""The benchmark of the workflow's own cost counts what Snakemake and Python report."""

import importlib

import pytest
from conftest import ROOT


@pytest.fixture
def overhead(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("workflow_overhead")


def test_imports_are_counted_by_rule(overhead, tmp_path):
    for place, wall, imports in (
        ("train/a", 9.0, (1_000_000, 500_000)),
        ("train/b", 5.0, (500_000,)),
        ("table", 3.0, (2_000_000,)),
        ("unfinished", None, (1,)),
    ):
        log = tmp_path / "logs" / f"{place}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"import time: {own:9d} |  {own * 3} |   module" for own in imports]
        log.write_text("\n".join(["import time: self [us] | cumulative |", *lines, "a word"]))
        if wall is not None:
            record = tmp_path / "benchmarks" / f"{place}.tsv"
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(f"s\tmax_rss\n{wall}\t10\n")
    rows = overhead.by_rule(overhead.jobs(tmp_path))
    assert [list(row.values()) for row in rows] == [["table", 1, 3.0, 2.0], ["train", 2, 7.0, 1.0]]


def test_planning_is_timed_and_its_jobs_are_counted(overhead, checkout):
    (row,) = overhead.planning(checkout, rounds=1, seeds=[1])
    assert row["jobs"] > 100 and row["CPU s"] > 0 and row["wall s"] > 0
