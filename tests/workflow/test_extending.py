"""docs/extending.md: every example on the page, put into a copy of the workflow and run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SMALLEST, copy_of_the_workflow
from warm_snakemake import run_snakemake

PAGE = (ROOT / "docs/extending.md").read_text()
# A block's first line says where it belongs: "# file", or "# file, in DICTIONARY".
BLOCK = re.compile(r"^```(?:python|yaml)\n# (\S+?)(?:, in (\w+))?\n(.*?)^```$", re.M | re.S)
DOORS = ("edges", "plain", "numpy_pairs", "thumbnails", "gmac")
CONFIGS = [f"config/{door}.yaml" for door in DOORS]
RESULTS = "results/smallest"
TARGETS = {
    "edges": f"{RESULTS}/controlnet/polyps/edges/seed0/recipe.json",
    "plain": f"{RESULTS}/scores/polyps/plain/seed0/metrics.json",
    "numpy_pairs": f"{RESULTS}/data/clinic/32/meta.json",
    "thumbnails": f"{RESULTS}/floors/polyps/real_halves.json",
    "gmac": f"{RESULTS}/tables/table_costs.csv",
}
# All that is not new lies there already: made by the fixtures, in the places of the smallest study.
RULES = (
    "train_controlnet", "train_segmenter", "predict_segmenter", "score_segmentation", "locate_raw",
    "prepare_data", "extract_features", "score_floors", "measure_cost", "make_table",
)  # fmt: skip


def write_example(folder: Path, name: str, dictionary: str, text: str) -> None:
    """Put a block of the page where its first line says."""
    path = folder / name
    if dictionary:
        head, found = f"{dictionary} = {{\n", path.read_text()
        assert found.count(head) == 1, f"{name} has not one {dictionary}"
        path.write_text(found.replace(head, head + text))
    else:
        assert not path.exists(), f"{name} is there already"
        path.write_text(text)


@pytest.fixture(scope="module")
def extended(tmp_path_factory, polyps, backbone, latents) -> Path:
    """The workflow with all examples, and the results that they start from."""
    folder = tmp_path_factory.mktemp("extended") / "workflow"
    copy_of_the_workflow(folder)
    for block in BLOCK.findall(PAGE):
        write_example(folder, *block)
    shutil.copytree(polyps.folder, folder / RESULTS / "data/polyps/32")
    shutil.copytree(backbone.parent, folder / RESULTS / "backbone/polyps")
    shutil.copytree(latents, folder / RESULTS / "autoencoder/polyps/latents")
    rng = np.random.default_rng(0)
    (folder / "raw/clinic").mkdir(parents=True)
    for patient in range(8):
        for number in range(2):
            mask = np.zeros((40, 48), np.uint8)
            mask[10:20, 10 : 15 + patient] = 255
            photo = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            np.savez(folder / f"raw/clinic/{patient}_{number}.npz", photo=photo, mask=mask)
    return folder


@pytest.fixture(scope="module")
def run(extended) -> str:
    """What Snakemake printed while it ran the examples."""
    code, printed = run_snakemake(
        extended, *SMALLEST, *CONFIGS, "--show-failed-logs", "--allowed-rules", *RULES,
        "--", *TARGETS.values(),
    )  # fmt: skip
    assert code == 0, printed[-6000:]
    return printed


def test_every_example_of_the_page_is_found_and_named(extended):
    written = {name for name, _, _ in BLOCK.findall(PAGE)}
    assert set(CONFIGS) <= written
    assert len(re.findall(r"^```(?:python|yaml)$", PAGE, re.M)) == len(BLOCK.findall(PAGE))


def test_an_example_takes_three_files_at_most():
    registries = {"workflow_src/study/registries.py", "workflow_src/study/columns.py"}
    for door in PAGE.split("\n## ")[1:]:
        files = {name for name, _, _ in BLOCK.findall(door)}
        assert len(files) <= 3 and len(files - registries) <= 2, door[:30]


def test_the_examples_are_written_in_the_houses_style(extended):
    files = {name for name, _, _ in BLOCK.findall(PAGE) if name.endswith(".py")}
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", ROOT / "pyproject.toml", *files],
            cwd=extended, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_all_that_the_examples_tables_need_is_planned(extended):
    code, printed = run_snakemake(
        extended, *SMALLEST, *CONFIGS, "-n", "--quiet", "rules", "--",
        "table_edges", "table_plain", "table_clinic", "table_thumbnails",
        "table_costs",
    )  # fmt: skip
    assert code == 0, printed[-3000:]


def test_a_new_member_changes_the_hash_of_no_others_training(extended):
    code = (
        "from workflow_src.common.code_hash import code_hash;"
        "from workflow_src.study.registries import SEGMENTERS, WEIGHTINGS;"
        "print([code_hash('workflow_src.train_controlnet', WEIGHTINGS['law']),"
        " code_hash('workflow_src.train_segmenter', SEGMENTERS['order']),"
        " code_hash('workflow_src.prepare_data', 'workflow_src.data.kits19:KiTS19')])"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        for folder in (ROOT, extended)
    }
    assert len(hashes) == 1


def test_the_weighting_trains(extended, run):
    folder = (extended / TARGETS["edges"]).parent
    recipe = json.loads((folder / "recipe.json").read_text())["recipe"]
    assert recipe["weighting"] == "edges" and recipe["weighting_options"] == {"alpha": 8.0}
    log = pd.read_csv(folder / "log.csv")
    assert len(log) == 4 and log.loss.gt(0).all()
    assert log.weight_min.ge(1).all() and log.weight_max.gt(1.5).all()  # 1 away from every edge
    assert (log.weight_lesion > log.weight_background).all()


def test_the_segmenter_is_trained_and_scored(extended, run):
    scores = json.loads((extended / TARGETS["plain"]).read_text())
    assert scores["all"]["images"] > 0 and 0 <= scores["all"]["dice"] <= 1
    facts = json.loads((extended / RESULTS / "models/polyps/plain/seed0/recipe.json").read_text())
    assert facts["recipe"]["options"] == {"width": 16} and facts["outcome"]["steps"] > 0


def test_the_raw_format_is_prepared(extended, run):
    folder = (extended / TARGETS["numpy_pairs"]).parent
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["splits"] == {"train": 10, "val": 2, "test": 4}  # whole patients of two images
    index = pd.read_csv(folder / "index.csv", dtype=str)
    assert (index.groupby("case").split.nunique() == 1).all()
    masks = np.load(folder / "masks.npy")
    assert masks.shape == (16, 32, 32) and set(np.unique(masks)) == {0, 1}


def test_the_extractor_compares_real_images(extended, run):
    halves = json.loads((extended / TARGETS["thumbnails"]).read_text())
    assert halves["thumbnails"]["extractor"] == "thumbnails"
    assert halves["thumbnails"]["dimensions"] == 3 * 6**2
    assert halves["thumbnails"]["distance"] > 0 and halves["lite0"]["distance"] > 0


def test_the_column_is_in_the_table(extended, run):
    table = (extended / TARGETS["gmac"]).with_suffix(".md").read_text()
    costs = {
        model: json.loads((extended / f"{RESULTS}/cost/polyps/{model}.json").read_text())
        for model in ("mkunet", "order")
    }
    assert "GMAC" in table
    assert all(f"{cost['gmac']:.3f}" in table for cost in costs.values())
