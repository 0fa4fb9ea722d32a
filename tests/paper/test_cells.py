"""The cells of the paper's tables: against per-image scores, and said where there is nothing."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from scipy import stats
from table_cases import ROWS, cell, make, per_image, read_markdown, three_models, write_scores

from workflow_src import make_table
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.metrics.crossed import Crossed
from workflow_src.paper.measured import TableSpec


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return three_models(tmp_path_factory.mktemp("scored"))


@pytest.fixture
def results(scored, tmp_path):
    """A copy of the scores, to be changed at will."""
    shutil.copytree(scored.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / scored.name


def test_scores_by_size_are_over_those_images_and_say_where_sizes_part(results):
    cells, text, _ = make(results, more=["dice_small", "dice_medium", "dice_large", "nsd"])
    tables = [
        pd.read_csv(results / "scores" / "polyps" / "order" / f"seed{seed}" / "metrics.csv")
        for seed in range(3)
    ]
    small = cell(cells, "order", "dice_small")
    assert small["mean"] == pytest.approx(100 * np.mean([t.dice[:4].mean() for t in tables]))
    assert small.images == 4 and small.low < small["mean"] < small.high
    medium = cell(cells, "order", "dice_medium")
    assert medium.images == 7  # one is a copy
    assert medium.gain == pytest.approx(
        medium["mean"] - cell(cells, "mkunet", "dice_medium")["mean"], abs=1e-9
    )
    assert cell(cells, "order", "dice_large").text == "no such lesion"
    assert "small below 2.1 % of the image, large from 8.64 %" in text
    assert "images: 4 small, 7 medium." in text and "Polyps: 11 test images." in text
    assert "in pixels; surface Dice at a tolerance of 2" in text
    assert "mDice, small" not in text.split("|\n\n")[0]  # in the csv alone


def test_means_and_intervals_are_those_of_trainings_and_images(results):
    cells, text, _ = make(results)
    for row in ROWS:
        for measure in ("dice", "iou", "iou_class_mean"):
            scores = 100 * np.array([table[measure] for table in per_image(results, row)])
            found = cell(cells, row, measure)
            assert found["mean"] == pytest.approx(scores.mean())
            low, high = Crossed([scores], np.arange(11)).estimate().interval()
            assert (found.low, found.high) == pytest.approx((low, high))
            assert (found.runs, found.cases) == (3, 11)
            assert found.interval_over == "trainings and cases"
    assert "95 % interval over trainings and cases." in text
    assert cell(cells, "mkunet", "parameters")["mean"] == 27384
    assert np.isnan(cell(cells, "mkunet", "parameters").low)


def test_a_single_training_has_an_interval_over_cases(results):
    cells, text, _ = make(results, seeds=[1])
    (table,) = per_image(results, "order", seeds=[1])
    found = cell(cells, "order", "dice")
    assert found.interval_over == "cases"
    interval = stats.ttest_1samp(100 * table.dice, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(interval)
    assert "95 % interval over cases." in text and "about one trained network" in text
    (line,) = (line for line in text.splitlines() if line.startswith("- ORDER, Polyps, mDice"))
    assert "one training each" in line and line.endswith("these two networks, not the methods).")
    assert "**" not in text


def test_gains_are_over_trainings_and_the_same_images(results):
    cells, text, _ = make(results)
    ours, theirs = (
        100 * np.array([table.iou for table in per_image(results, row)])
        for row in ("order", "mkunet")
    )
    found, expected = cell(cells, "order", "iou"), Crossed([ours, theirs], np.arange(11)).estimate()
    assert found.gain == pytest.approx((ours - theirs).mean())
    assert (found.gain_low, found.gain_high) == pytest.approx(expected.interval())
    assert found.gain_p == pytest.approx(expected.p())
    assert (found.gain_images, found.gain_decides) == (11, True)
    assert f"ORDER, Polyps, mIoU: {found.gain:+.1f}" in text
    assert "(3 and 3 trainings, 11 images of 11 cases, p < 0.001)" in text
    assert np.isnan(cell(cells, "mkunet", "iou").gain)


def test_published_figures_stand_beside_ours(results):
    cells, text, _ = make(results)
    found = cell(cells, "order", "dice")
    assert found.published == 81.3
    assert found.difference == pytest.approx(found["mean"] - 81.3)
    table = read_markdown(text)
    assert table["ORDER"]["mDice ↑"].endswith(f"] (81.3; {found.difference:+.1f})")
    assert table["MK-UNet"]["Params ↓"] == "27,384 (27,000; +384)"
    assert table["UNeXt"]["Params ↓"] == "1.47M"
    assert table["MK-UNet"]["GFLOPs ↓"] == "0.099 (0.150; -0.051)"
    assert "(" not in table["MK-UNet"]["mIoU with background ↑"]


def test_rows_that_only_the_paper_has_are_said_not_to_have_run(results):
    cells, text, _ = make(results)
    assert cell(cells, "giant", "dice").text == "not run"
    table = read_markdown(text)
    assert table["giant"]["mDice ↑"] == "not run (85.7)"
    assert table["giant"]["Params ↓"] == "not run (31.00M)"
    assert table["giant"]["mIoU ↑"] == ""


@pytest.mark.parametrize(
    "gone",
    ["scores/polyps/unext/seed1/metrics.json", "scores/polyps/mkunet/seed0/metrics.csv",
     "cost/polyps/order.json"],
)  # fmt: skip
def test_a_missing_file_is_an_error_and_no_table(results, gone):
    (results / gone).unlink()
    with pytest.raises((FileNotFoundError, InputError), match=re.escape(str(results / gone))):
        make(results)
    assert not list(results.parent.glob("table3*"))


def test_a_missing_file_ends_in_one_line(results):
    gone = results / "cost" / "polyps" / "order.json"
    gone.unlink()
    spec = {"rows": {"order": "ORDER"}, "datasets": {"polyps": "Polyps"}, "columns": ["gflops"],
            "seeds": [0], "files": {"cost": {"polyps": {"order": [str(gone)]}}}}  # fmt: skip
    command = [sys.executable, "-m", "workflow_src.make_table", "--name", "3",
               "--spec", json.dumps(spec), "--published", results.parent / "published.yaml",
               "--output", results.parent / "table3"]  # fmt: skip
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"error: {gone}: it does not exist: check the path, or make it first"
    )


def test_a_row_without_files_is_named(results):
    spec = TableSpec({"order": "ORDER"}, {"polyps": "Polyps"}, ["dice"], [0])
    with pytest.raises(InputError, match="no score metrics of order on polyps were given"):
        make_table.main("3", spec, results.parent / "published.yaml", results.parent / "table3")


def test_a_measure_that_is_null_was_not_run_and_the_rest_stands(results):
    for seed in range(3):
        path = results / "scores" / "polyps" / "unext" / f"seed{seed}" / "metrics.json"
        facts = json.loads(path.read_text())
        facts["all"]["dice"] = None
        write_json(path, facts)
    cells, text, _ = make(results)
    assert cell(cells, "unext", "dice").text == "not run"
    assert read_markdown(text)["UNeXt"]["mDice ↑"] == "not run"
    means = [100 * table.iou.mean() for table in per_image(results, "unext")]
    assert cell(cells, "unext", "iou")["mean"] == pytest.approx(np.mean(means))


def test_guessed_and_shared_cases_are_said(results):
    assert "guessed" not in make(results)[1]
    for path in results.glob("scores/polyps/*/*/metrics.json"):
        facts = json.loads(path.read_text())
        write_json(path, facts | {"cases": {"count": 9, "guessed_images": 7, "shared": 2}})
    text = make(results)[1]
    assert "- Polyps: the cases of 7 test images are guessed from their likeness." in text
    assert "- Polyps: 2 cases have images among the training images too, which flatters." in text


def test_only_what_tests_support_is_bold(results):
    cells, text, _ = make(results)
    assert [(c.row, c.column) for c in cells.itertuples() if c.best is True] == [
        ("order", name) for name in ("dice", "iou", "iou_class_mean")
    ]
    assert text.count("**") == 2 * 3 and "Bold: better than every other row" in text
    copies = results / "scores" / "polyps"
    shutil.rmtree(copies / "unext")
    shutil.copytree(copies / "order", copies / "unext")  # two that are equally good
    cells, text, _ = make(results)
    assert "**" not in text and "Bold" not in text
    assert not [c for c in cells.itertuples() if c.best is True]


def test_a_changed_metric_changes_its_cells_alone(results):
    before, *_ = make(results)
    place = results / "scores" / "polyps" / "unext" / "seed1"
    shutil.rmtree(place)
    write_scores(place, 1, 0.3)
    after, *_ = make(results)
    changed = [
        (a.row, a.column)
        for a, b in zip(before.itertuples(), after.itertuples(), strict=True)
        if a.mean != b.mean and not (np.isnan(a.mean) and np.isnan(b.mean))
    ]
    assert changed == [("unext", name) for name in ("dice", "iou", "iou_class_mean")]


def test_every_cell_names_the_files_behind_it(results):
    make(results)
    facts = json.loads((results.parent / "table3.json").read_text())
    for one in facts["cells"]:
        files = [Path(file["path"]) for file in one["from"]]
        if one["row"] == "giant":
            assert not files
            continue
        assert len(files) == (1 if one["column"] in ("parameters", "gflops") else 3)
        for file, path in zip(one["from"], files, strict=True):
            assert one["row"] in str(path)
            assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
