"""What a study is said to cost: its plan, and what was measured."""

import itertools
import json
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

from conftest import ROOT

from workflow_src.readiness.hours import Cost, cost_of, rows
from workflow_src.readiness.trainings import training_hours
from workflow_src.study.loading import load_study
from workflow_src.study.table_specs import model_of
from workflow_src.study.trainings import training_jobs


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


LISTED = """
import json, sys
from collections import Counter
from pathlib import Path
from workflow_src.readiness.hours import planned
jobs = planned([Path(path) for path in sys.argv[1:]])
print(json.dumps(Counter(job.rule.name for job in jobs)))
"""


def jobs_by_rule(checkout, *configfiles: str) -> Counter:
    """How many jobs of each rule a study plans."""
    done = subprocess.run(
        [sys.executable, "-c", LISTED, *configfiles], cwd=checkout, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return Counter(json.loads(done.stdout.splitlines()[-1]))


def test_one_more_training_takes_the_jobs_that_a_further_seed_adds(checkout, tmp_path):
    overlay = tmp_path / "seeds.yaml"
    overlay.write_text("seeds: [0, 1]\nsynthesis: {sampling: {shards: 2}}\n")
    demo = "config/demo.yaml"
    (tmp_path / "shards.yaml").write_text("synthesis: {sampling: {shards: 2}}\n")
    added = jobs_by_rule(checkout, demo, str(overlay)) - jobs_by_rule(
        checkout, demo, str(tmp_path / "shards.yaml")
    )
    config = load_study([ROOT / demo, overlay])
    mixes = config["downstream"]["mixes"]
    networks, controlnets = {}, {}
    for name, table in config["tables"].items():
        for dataset, row in itertools.product(table["datasets"], table["rows"]):
            jobs = training_jobs(config, name, row)
            model = model_of(table["of"], row)
            method = row if table["of"] == "methods" else (
                mixes.get(model.removeprefix("nnunet-"), {}).get("method"))  # fmt: skip
            for rule, count in jobs.items():
                if rule in ("train_controlnet", "sample_controlnet", "score_fidelity"):
                    controlnets[dataset, method, rule] = count
                else:
                    networks[dataset, model, rule] = count
    expected: Counter = Counter()
    # All methods share the network that judges how they follow masks: one may be in no table.
    judge = config["synthesis"]["faithfulness_model"]
    shared = {(d, judge, "train_segmenter") for d, _, rule in controlnets if rule.startswith("tr")}
    expected["train_segmenter"] = len(shared - networks.keys())
    for (*_, rule), count in [*networks.items(), *controlnets.items()]:
        expected[rule] += count
    assert set(expected) == {
        "train_controlnet", "sample_controlnet", "score_fidelity", "train_segmenter",
        "predict_segmenter", "train_nnunet", "predict_nnunet",
    }  # fmt: skip
    assert {rule: added[rule] for rule in expected} == expected


def test_hours_of_a_training_are_measured_or_what_it_may_take(tmp_path):
    config = load_study([ROOT / "config" / "small.yaml"])
    config["resources"]["train_segmenter"] = {"gpu": 1, "runtime": 60}
    config["resources"]["predict_segmenter"] = {"gpu": 2, "runtime": 30}
    name = next(n for n, t in config["tables"].items() if "order" in t["rows"])
    hours = training_hours(config, tmp_path)[name]["polyps"]["order"]
    assert hours == 1 + 2 * 0.5
    (tmp_path / "train_segmenter").mkdir()
    for seed, seconds in enumerate((360, 1080)):
        record = tmp_path / "train_segmenter" / f"polyps-order-{seed}.tsv"
        record.write_text(f"s\tmax_rss\n{seconds}\t10\n")
    assert training_hours(config, tmp_path)[name]["polyps"]["order"] == 0.2 + 2 * 0.5
