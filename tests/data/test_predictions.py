"""Predictions: written only if they are probabilities, opened only if they are what was written."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from workflow_src import score_segmentation
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.data.predictions import Predictions, PredictionWriter
from workflow_src.segmentation.prediction import TrainedSegmenter


@pytest.fixture
def predicted(polyps, tmp_path):
    """Predictions of the polyps' test images: half of the image, everywhere."""
    rows = polyps.rows("test")
    writer = PredictionWriter(tmp_path, polyps, rows)
    for row in rows:
        writer.put(np.full(polyps.shape(row), 0.5))
    writer.finish({})
    return tmp_path


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.5])
def test_what_is_not_a_probability_stops(polyps, tmp_path, value):
    rows = polyps.rows("test")
    writer = PredictionWriter(tmp_path, polyps, rows)
    probability = np.zeros(polyps.shape(rows[0]))
    probability[3, 4] = value
    with pytest.raises(
        InputError, match=f"on Phantom-A/{polyps.index.stem[rows[0]]}, which is not"
    ):
        writer.put(probability)


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "longer"])
def test_levels_that_were_harmed_are_named(polyps, predicted, harm):
    file = predicted / "levels.npy"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    changed = {"cut": content[:-9], "flipped": content, "empty": b"", "longer": content + b"abc"}
    file.write_bytes(changed[harm])
    with pytest.raises(InputError, match=r"levels\.npy (is damaged|was changed or damaged)"):
        score_segmentation.main(polyps.folder, predicted, polyps.folder, predicted / "scores")
    assert not (predicted / "scores").exists()


def test_whole_levels_are_read(polyps, predicted):
    levels = Predictions(predicted, polyps).levels(2)
    assert levels.shape == polyps.shape(polyps.rows("test")[2]) and (levels == 128).all()


def test_weights_that_are_not_finite_stop(untrained):
    folder = untrained("unext")
    weights = load_file(folder / "model.safetensors")
    next(v for v in weights.values() if v.is_floating_point()).view(-1)[0] = float("nan")
    save_file(weights, folder / "model.safetensors")
    facts = json.loads((folder / "recipe.json").read_text())
    facts["weights"] = file_sha256(folder / "model.safetensors")
    (folder / "recipe.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"model\.safetensors holds weights that are not finite"):
        TrainedSegmenter(folder, "cpu")
