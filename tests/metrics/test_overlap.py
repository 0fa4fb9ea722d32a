"""The evaluator of segmentations: thresholds counted one by one, and whole sets."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workflow_src import prepare_data, score_segmentation
from workflow_src.common.errors import InputError
from workflow_src.data.predictions import PredictionWriter
from workflow_src.data.prepared import PreparedSet
from workflow_src.metrics.overlap import check_bounds, score_image, scores_row
from workflow_src.metrics.summary import summarise

EMPTY, LESION = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
LESION[3:7, 3:7] = 1


def test_probability_one_half_is_lesion():
    for probability, dice in ((0.5, 1), (0.49, 0)):
        levels = np.rint(LESION * np.float32(probability) * 255).astype(np.uint8)
        assert score_image(levels, LESION).dice == dice


def plain_dice_iou(predicted, true):
    overlap, union = (predicted & true).sum(), (predicted | true).sum()
    return 2 * overlap / (predicted.sum() + true.sum()), overlap / union


def random_prediction(seed):
    rng = np.random.default_rng(seed)
    true = rng.random((12, 17)) < rng.uniform(0.05, 0.9)
    levels = np.clip(true * rng.uniform(0, 200) + rng.normal(60, 60, true.shape), 0, 255)
    return levels.astype(np.uint8), true


@pytest.mark.parametrize("seed", range(5))
def test_means_over_256_thresholds_against_a_plain_loop(seed):
    levels, true = random_prediction(seed)
    low, high = int(levels.min()), int(levels.max())
    stretched = (levels.astype(float) - low) / (high - low)
    pairs = [plain_dice_iou(stretched >= t / 255 - 1e-9, true) for t in range(256)]
    scores = score_image(levels, true.astype(np.uint8))
    assert (scores.dice_256, scores.iou_256) == pytest.approx(tuple(np.mean(pairs, axis=0)))


def test_256_thresholds_score_nothing_where_nothing_is_hit():
    assert score_image(EMPTY, EMPTY).dice_256 == 0  # as PraNet's tool does


@pytest.mark.parametrize("seed", range(5))
def test_class_means_and_stretched_maps_against_plain_ones(seed):
    levels, true = random_prediction(seed)
    scores = score_image(levels, true.astype(np.uint8))
    predicted = levels >= 128
    both = np.mean([plain_dice_iou(predicted, true), plain_dice_iou(~predicted, ~true)], axis=0)
    assert (scores.dice_class_mean, scores.iou_class_mean) == pytest.approx(tuple(both))
    low, high = int(levels.min()), int(levels.max())
    stretched = (levels.astype(float) - low) / (high - low) >= 0.5
    found = scores.dice_min_max, scores.iou_min_max
    assert found == pytest.approx(plain_dice_iou(stretched, true))


@pytest.mark.parametrize("seed", range(5))
def test_sensitivity_precision_and_counts_against_plain_ones(seed):
    levels, true = random_prediction(seed)
    scores, predicted = score_image(levels, true.astype(np.uint8)), levels >= 128
    assert scores.sensitivity == predicted[true].mean()
    assert scores.precision == true[predicted].mean()
    counts = scores.overlap_pixels, scores.predicted_pixels, scores.lesion_pixels
    assert counts == ((predicted & true).sum(), predicted.sum(), true.sum())


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [(EMPTY, EMPTY, 1), (EMPTY, LESION, 0), (LESION, EMPTY, 0), (LESION, LESION, 1)],
)
def test_empty_masks_agree_in_sensitivity_and_precision_as_in_dice(predicted, true, expected):
    scores = score_image(predicted * 255, true)
    assert scores.sensitivity == scores.precision == scores.dice == expected


def test_a_faint_map_is_stretched_and_a_constant_one_is_not():
    assert score_image(LESION * 90, LESION).dice_min_max == 1
    assert score_image(LESION * 90, LESION).dice == 0
    assert score_image(EMPTY + 90, LESION).dice_min_max == 0
    assert score_image(EMPTY, EMPTY).dice_min_max == 1


def test_iou_lies_between_its_bounds_for_any_image():
    for seed in range(200):
        scores = score_image(*random_prediction(seed))
        for dice, iou in (
            (scores.dice, scores.iou),
            (scores.dice_256, scores.iou_256),
            (scores.dice_class_mean, scores.iou_class_mean),
        ):
            check_bounds(dice, iou, "image")
        assert scores.iou == pytest.approx(scores.dice / (2 - scores.dice))


@pytest.mark.parametrize(("dice", "iou"), [(0.832, 0.845), (0.813, 0.817), (0.980, 0.955)])
def test_means_that_no_masks_can_have_are_refused(dice, iou):
    with pytest.raises(ArithmeticError, match="polyps: mean IoU .* is impossible"):
        check_bounds(dice, iou, "polyps")


def table_of(*scores: dict) -> pd.DataFrame:
    """Scores of images of one set, as the evaluator tabulates them."""
    names = [{"stem": f"{n}", "source": "A", "case": f"{n}", "duplicate_of": ""} for n in range(99)]
    return pd.DataFrame([name | row for name, row in zip(names, scores, strict=False)])


def test_rounded_scores_of_a_single_image_keep_within_the_bounds():
    for seed in range(100):
        row = scores_row(score_image(*random_prediction(seed)))
        summarise(table_of(row), [])


@pytest.mark.parametrize("measure", ["iou", "iou_min_max", "iou_256", "iou_class_mean"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_every_report_checks_each_pair_of_measures(measure, sign):
    rows = [scores_row(score_image(*random_prediction(seed))) for seed in range(5)]
    summarise(table_of(*rows), [])
    for row in rows:  # as if it were measured on another mask
        row[measure] += sign * 0.25
    with pytest.raises(ArithmeticError, match=f"{measure}: mean IoU .* is impossible"):
        summarise(table_of(*rows), [])


def test_masks_and_predictions_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(10, 10\) against a mask of \(9, 10\)"):
        score_image(EMPTY, EMPTY[1:])


STEMS = ("007", "1e5", "NA", "12", "null", "True")


@pytest.fixture
def odd_names(pair_folder, tmp_path):
    """A set in PraNet's layout, with test images whose names look like numbers; at 16 pixels."""
    train = {f"{i}.png": (20, 24) for i in range(6)}
    test = {f"{stem}.png": (20 + i, 24) for i, stem in enumerate(STEMS)}
    pair_folder("raw/TrainDataset", train, train)
    pair_folder("raw/TestDataset/1.0", test, test)
    for split, names in (("TrainDataset", train), ("TestDataset/1.0", test)):
        for number, name in enumerate(names):  # no two alike
            grey = np.full((20, 24), 30 * number + (15 if split == "TrainDataset" else 0), np.uint8)
            path = tmp_path / "raw" / split / "images" / name
            Image.fromarray(grey).resize(names[name][::-1]).convert("RGB").save(path)
    prepare_data.main(tmp_path / "raw", tmp_path / "set", prepare_data.Reading(), size=16)
    return PreparedSet(tmp_path / "set")


def write_predictions(prepared, folder, split, probability):
    folder.mkdir()
    rows = prepared.rows(split)
    writer = PredictionWriter(folder, prepared, rows)
    for row in rows:
        writer.put(probability(row))
    writer.finish({"model": "by hand"})
    return folder


def test_names_that_look_like_numbers_stay_text(odd_names, tmp_path):
    right = write_predictions(
        odd_names, tmp_path / "right", "test", lambda row: odd_names.original_mask(row) * 1.0
    )
    score_segmentation.main(odd_names.folder, right, odd_names.folder, tmp_path / "scores")
    lines = (tmp_path / "scores" / "metrics.csv").read_text().splitlines()
    assert sorted(line.split(",")[0] for line in lines[1:]) == sorted(STEMS)
    assert {line.split(",")[1] for line in lines[1:]} == {"1.0"}


def test_scores_are_taken_at_original_size_and_averaged_over_images(odd_names, tmp_path):
    # Predict all of the first test image and nothing of the others.
    first = odd_names.rows("test")[0]
    folder = write_predictions(
        odd_names, tmp_path / "one", "test", lambda row: np.full(odd_names.shape(row), row == first)
    )
    score_segmentation.main(odd_names.folder, folder, odd_names.folder, tmp_path / "scores")
    table = pd.read_csv(tmp_path / "scores" / "metrics.csv", dtype={"stem": str}, na_filter=False)
    share = odd_names.original_mask(first).mean()
    expected = [2 * share / (1 + share)] + [0.0] * 5
    assert table.dice.tolist() == pytest.approx(expected, abs=1e-6)
    facts = pd.read_json(tmp_path / "scores" / "metrics.json", typ="series")
    assert facts["all"]["dice"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert facts["sets"]["1.0"]["iou"] == pytest.approx(share / 6, abs=1e-6)


def test_predictions_at_another_size_than_their_masks_are_refused_by_name(odd_names, tmp_path):
    # Predictions have the original size; of training images only resized masks are kept.
    folder = write_predictions(
        odd_names, tmp_path / "train", "train", lambda row: np.zeros(odd_names.shape(row))
    )
    with pytest.raises(InputError) as error:
        score_segmentation.main(odd_names.folder, folder, odd_names.folder, tmp_path / "scores")
    assert "TrainDataset/" in str(error.value)
    assert "(20, 24)" in str(error.value)
    assert "(16, 16)" in str(error.value)
    assert not list(tmp_path.glob("scores/*"))


def test_predictions_of_another_set_are_refused(odd_names, polyps, tmp_path):
    folder = write_predictions(
        polyps, tmp_path / "other", "test", lambda row: np.zeros(polyps.shape(row))
    )
    with pytest.raises(InputError, match="made on another set"):
        score_segmentation.main(odd_names.folder, folder, odd_names.folder, tmp_path / "scores")
