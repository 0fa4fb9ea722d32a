"""What a study is said to cost: its plan, and what was measured."""

import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace
from typing import get_args

import pytest
from conftest import ROOT
from jsonargparse import auto_cli

from workflow_src import estimate_hours, watch_study
from workflow_src.readiness.hours import Cost, cost_of, rows, wall_seconds
from workflow_src.readiness.trainings import training_hours
from workflow_src.readiness.work import (
    CONTROLNET,
    DECODE,
    DENOISE,
    PEAKS,
    WORK,
    Device,
    Kind,
    device_named,
    kind_of,
    seconds_on,
    work_of,
)
from workflow_src.study.loading import load_study
from workflow_src.study.table_specs import model_of
from workflow_src.study.trainings import training_jobs


class Job:
    """What is read of a planned job."""

    def __init__(self, rule: str, **wildcards: str):
        self.rule, self.wildcards = SimpleNamespace(name=rule), SimpleNamespace(**wildcards)


A100 = Device("a100", 312.0)


def test_hours_by_hand():
    first, second, shared = Job("train"), Job("train"), Job("cache")
    tables = [Job("make_table", table=f"table{n}") for n in "12"]
    waits = {tables[0]: [first, shared], tables[1]: [second, shared]}
    waits |= {first: [], second: [], shared: []}
    costs = {
        first: Cost("train", 1, 2, 7200.0, 3600.0),
        second: Cost("train", 1, 2, 14400.0, None),  # the other took half of what was expected
        shared: Cost("cache", 2, 4, 7200.0, None),  # as expected: nothing corrects it
        tables[0]: Cost("make_table", 0, 1, 0.0, None),
        tables[1]: Cost("make_table", 0, 1, 0.0, None),
    }
    one, two, everything = rows(waits, costs, 2)
    assert (one["target"], one["jobs"], one["done"]) == ("table1", 3, 1)
    assert (one["GPU-hours"], two["GPU-hours"]) == (1 + 2 * 2, 2 + 2 * 2)
    assert one["no other table's"] == 1
    assert one["CPU-hours"] == 2 + 4 * 2
    assert everything["jobs"] == 5 and everything["GPU-hours"] == 1 + 2 + 4
    # What was measured is sure; the rest may be half or twice as much.
    assert (one["from"], one["to"]) == (1 + 2, 1 + 8)
    costs[shared] = Cost("cache", 2, 4, 7200.0, None, measured=True)
    assert rows(waits, costs, 2)[0]["to"] == one["GPU-hours"]


def test_hours_by_the_wall_are_those_of_the_longest_chain_first():
    long, short, last = Job("long"), Job("short"), Job("last")
    plots = [Job("plot") for _ in range(3)]
    waits = {long: [], short: [], last: [short]} | {plot: [] for plot in plots}
    costs = {
        long: Cost("long", 1, 1, 4.0, None),
        short: Cost("short", 1, 1, 2.0, None),
        last: Cost("last", 1, 1, 5.0, None),
    } | {plot: Cost("plot", 0, 1, 1.0, None) for plot in plots}
    assert wall_seconds(waits, costs, 1) == 4 + 2 + 5
    assert wall_seconds(waits, costs, 2) == 2 + 5  # beside the long one; short goes first
    assert wall_seconds(waits, costs, 9) == 7
    costs[last] = Cost("last", 4, 1, 5.0, None)  # more than there are: on all of them
    assert wall_seconds(waits, costs, 2) == 4 + 5


def test_a_job_counts_as_measured_only_if_it_is_done(tmp_path, paper):
    record, made = tmp_path / "record.tsv", tmp_path / "made"
    record.write_text("s\tmax_rss\n90.5\t10\n")
    rule, wildcards = SimpleNamespace(name="train_controlnet"), {"dataset": "polyps"}
    facts = {"benchmark": record, "output": [made], "threads": 2, "rule": rule}
    facts["wildcards"] = wildcards | {"method": "uniform"}
    found = SimpleNamespace(**facts, resources={"gpu": 2})
    whole = seconds_on(A100, "train_controlnet", paper, facts["wildcards"])
    assert cost_of(found, paper, A100) == Cost("train_controlnet", 2, 2, whole / 2, None)
    made.touch()
    assert cost_of(found, paper, A100).took == 90.5


@pytest.fixture
def paper() -> dict:
    return load_study([])


def test_a_training_takes_its_operations_over_the_share_of_the_peak(paper):
    wildcards = {"dataset": "polyps", "method": "law"}
    (work,) = work_of("train_controlnet", paper, wildcards)
    assert work.units == 500 * 32 and work.operations == CONTROLNET[True, True]
    assert A100.seconds(work) == max(work.least, 500 * 32 * work.operations / (0.3 * 312))
    measured = Device("a100", 312.0, {"controlnet, with a teacher": 100.0})
    assert measured.seconds(work) == 500 * 32 * work.operations / 100
    assert measured.knows([work]) and not A100.knows([work]) and not measured.knows([])
    # Half the side, a quarter of the operations; a network so small waits for its kernels.
    paper["synthesis"]["image_size"] = 192
    assert work_of("train_controlnet", paper, wildcards)[0].operations == work.operations / 4


def test_the_paper_s_jobs_ask_for_four_times_what_is_expected(paper):
    longest = {"method": "law", "light": "order_all", "mix": "real"}
    for rule in ("cache_latents", "train_controlnet", "sample_controlnet", "extract_features",
                 "score_fidelity", "train_segmenter", "predict_segmenter", "train_nnunet",
                 "predict_nnunet"):  # fmt: skip
        minutes = (paper["resources"]["default"] | paper["resources"][rule])["runtime"]
        dataset = "polyps" if "segmenter" in rule else "kits19"
        expected = seconds_on(A100, rule, paper, longest | {"dataset": dataset})
        assert minutes >= 4 * expected / 60, rule


def test_sampling_counts_both_halves_of_guidance_and_the_masks(paper):
    wildcards = {"dataset": "polyps", "method": "law"}
    (work,) = work_of("sample_controlnet", paper, wildcards)
    train = 1450 * 0.9  # PraNet's training images, less those held out
    assert work.units == pytest.approx(train / 4, rel=0.01)  # of four shards
    assert work.operations == 50 * 2 * DENOISE + DECODE
    paper["synthesis"]["sampling"]["guidance"] = 1.0
    assert work_of("sample_controlnet", paper, wildcards)[0].operations == 50 * DENOISE + DECODE


def test_what_a_gpu_measured_is_found_by_its_name(tmp_path):
    stages = {"nnunet": {"tera_operations_per_second": 10.0}, "resume": {"equal": True}}
    facts = {"device": "NVIDIA A100-SXM4-80GB", "whole": True, "stages": stages}
    (tmp_path / "one.json").write_text(json.dumps(facts))
    (tmp_path / "a.json").write_text(json.dumps(facts | {"whole": False, "stages": {}}))
    assert device_named("a100", tmp_path).measured == {"nnunet": 10.0}
    assert device_named("h100", tmp_path).measured == {}
    assert kind_of("NVIDIA L40S") == "l40s" and kind_of("NVIDIA L4") == "l4"
    assert kind_of("NVIDIA GeForce RTX 4090") == "rtx4090" and kind_of("another") is None


@pytest.mark.parametrize("step", [estimate_hours, watch_study])
def test_a_gpu_of_an_unknown_kind_is_refused_by_name(step, capsys):
    assert set(get_args(Kind)) == set(PEAKS)
    with pytest.raises(SystemExit):
        auto_cli(step.main, as_positional=False, args=["--configfiles=[]", "--device=a1000"])
    assert '"device"' in capsys.readouterr().err


def test_every_rule_that_asks_for_a_gpu_is_predicted():
    asking = set()
    for file in (ROOT / "rules").glob("*.smk"):
        for text in re.split(r"\n(?=rule |use rule )", file.read_text()):
            if "launch=" in text:
                asking.add(re.search(r"rule (\w+)", text)[1])
    assert asking and asking <= set(WORK)


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
    assert all(0 < float(row[7]) <= float(found[-1][7]) for row in found)
    assert "Measured in this study: nothing yet." in done.stdout
    assert "Assumed: a100, whose peak is 312 tera-operations a second, at 30% of it" in done.stdout


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


@pytest.mark.slow
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


def test_hours_of_a_training_are_measured_or_follow_from_its_operations(tmp_path):
    config = load_study([ROOT / "config" / "small.yaml"])
    name = next(n for n, t in config["tables"].items() if "order" in t["rows"])
    hours = training_hours(config, tmp_path)[name]["polyps"]["order"]
    wildcards = {"dataset": "polyps", "light": "order"}
    parts = [
        seconds_on(A100, rule, config, wildcards) / 3600
        for rule in ("train_segmenter", "predict_segmenter")
    ]
    assert hours == pytest.approx(sum(parts)) and min(parts) > 0
    (tmp_path / "train_segmenter").mkdir()
    for seed, seconds in enumerate((360, 1080)):
        record = tmp_path / "train_segmenter" / f"polyps-order-{seed}.tsv"
        record.write_text(f"s\tmax_rss\n{seconds}\t10\n")
    assert training_hours(config, tmp_path)[name]["polyps"]["order"] == pytest.approx(
        0.2 + parts[1]
    )
