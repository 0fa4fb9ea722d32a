"""Scores of CT slices: in millimetres, and of whole volumes beside those of slices."""

import json

import numpy as np
import pandas as pd
import pytest

from workflow_src import prepare_data, score_segmentation
from workflow_src.data.predictions import PredictionWriter
from workflow_src.data.prepared import PreparedSet


@pytest.fixture(scope="module")
def kidneys(kidneys_raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "kidneys"
    prepare_data.main(kidneys_raw, folder, prepare_data.Reading(format="kits19"), size=32)
    return PreparedSet(folder)


@pytest.fixture(scope="module")
def scores(kidneys, tmp_path_factory):
    """Scores of masks moved by a column, but for one slice in which nothing is found."""
    folder = tmp_path_factory.mktemp("kidney_scores")
    (folder / "predicted").mkdir()
    rows = kidneys.rows("test")
    writer = PredictionWriter(folder / "predicted", kidneys, rows)
    for row in rows:
        moved = np.roll(kidneys.original_mask(row), 1, axis=1)
        writer.put(moved * float(row != rows[0]))
    writer.finish({"model": "by hand"})
    score_segmentation.main(
        kidneys.folder, folder / "predicted", kidneys.folder, folder / "scores", tolerance=1.0
    )
    return folder / "scores"


def test_outlines_are_compared_in_the_spacing_of_the_volume(kidneys, scores):
    (case,) = set(kidneys.index.case[kidneys.rows("test")])
    rows_apart, columns_apart = kidneys.meta["spacing_mm"][case]
    assert columns_apart != 1
    table = pd.read_csv(scores / "metrics.csv", keep_default_na=False)
    assert table.hd95[1:].tolist() == pytest.approx([columns_apart] * (len(table) - 1), abs=1e-6)
    height, width = kidneys.shape(kidneys.rows("test")[0])
    diagonal = np.hypot(height * rows_apart, width * columns_apart)
    assert table.hd95[0] == pytest.approx(diagonal, rel=1e-6)
    facts = json.loads((scores / "metrics.json").read_text())
    assert facts["boundary"] == {"tolerance": 1.0, "unit": "mm"}
    assert facts["all"]["nsd"] == pytest.approx(table.nsd.mean())


def test_dice_of_a_volume_is_over_its_slices_together(kidneys, scores):
    table = pd.read_csv(scores / "metrics.csv", keep_default_na=False)
    (case,) = pd.read_csv(scores / "cases.csv").itertuples()
    total = table.predicted_pixels.sum() + table.lesion_pixels.sum()
    assert case.dice == pytest.approx(2 * table.overlap_pixels.sum() / total, abs=1e-6)
    assert case.dice != pytest.approx(table.dice.mean(), abs=1e-3)
    assert json.loads((scores / "cases.json").read_text())["all"]["cases"] == 1


def test_thirds_are_the_training_sets(kidneys, scores):
    facts = json.loads((scores / "metrics.json").read_text())
    training = kidneys.index.lesion_fraction[kidneys.rows("train")]
    assert facts["lesion_thirds"] == pytest.approx(np.quantile(training, [1 / 3, 2 / 3]).tolist())
    counts = [found["images"] for found in facts["by_size"].values() if found]
    assert sum(counts) == facts["all"]["images"]


def test_without_a_tolerance_outlines_are_not_scored(kidneys, scores, tmp_path):
    score_segmentation.main(
        kidneys.folder, scores.parent / "predicted", kidneys.folder, tmp_path / "scores"
    )
    facts = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert facts["boundary"] is None and "nsd" not in facts["all"]
