"""Test sets that are missing or overlap: each named once, none silently in or out of a mean."""

import json
import logging

import numpy as np
import pytest
from PIL import Image

from workflow_src import make_table, prepare_data, score_segmentation
from workflow_src.data.phantoms import polyp_phantom
from workflow_src.data.predictions import PredictionWriter
from workflow_src.data.prepared import PreparedSet
from workflow_src.paper.measured import TableSpec

WANTED = ["Kvasir", "CVC-ColonDB", "CVC-300", "ETIS-LaribPolypDB"]


def draw(number: int) -> tuple[Image.Image, Image.Image]:
    image, mask = polyp_phantom(np.random.default_rng(number), (64, 72))
    return Image.fromarray(image), Image.fromarray(mask * 255)


@pytest.fixture
def root(tmp_path):
    """PraNet's layout without Kvasir and ETIS; two frames of ColonDB are in CVC-300 as well."""
    root = tmp_path / "raw"
    frames = {
        "TrainDataset": [0, 1, 2, 3, 4, 5],
        "TestDataset/CVC-ColonDB": [10, 11, 12, 13, 14],
        "TestDataset/CVC-300": [12, 20, 14],
    }
    for place, numbers in frames.items():
        for part in ("images", "masks"):
            (root / place / part).mkdir(parents=True)
        for name, number in enumerate(numbers):
            image, mask = draw(number)
            # CVC-300 comes as JPEG: the same frame in other bytes.
            suffix = ".jpg" if place.endswith("300") else ".png"
            image.save(root / place / "images" / f"{name}{suffix}", quality=95)
            mask.save(root / place / "masks" / f"{name}.png")
    return root


def prepared_set(root, tmp_path) -> PreparedSet:
    prepare_data.main(root, tmp_path / "data", prepare_data.Reading(test_sets=WANTED), size=32)
    return PreparedSet(tmp_path / "data")


def scored(prepared: PreparedSet, tmp_path) -> dict:
    """Metrics of predictions that are right on CVC-300 and empty on ColonDB."""
    rows = prepared.rows("test")
    (tmp_path / "predictions").mkdir()
    writer = PredictionWriter(tmp_path / "predictions", prepared, rows)
    for row in rows:
        right = prepared.index.source[row] == "CVC-300"
        writer.put(prepared.original_mask(row) * float(right))
    writer.finish({})
    score_segmentation.main(
        prepared.folder, tmp_path / "predictions", prepared.folder, tmp_path / "scores"
    )
    return json.loads((tmp_path / "scores" / "metrics.json").read_text())


def test_missing_test_sets_are_named_once_and_shown_as_not_run(root, tmp_path, caplog, capsys):
    with caplog.at_level(logging.WARNING):
        prepared = prepared_set(root, tmp_path)
    for name in ("Kvasir", "ETIS-LaribPolypDB"):
        said = [record.getMessage() for record in caplog.records if name in record.getMessage()]
        assert len(said) == 1 and "will be shown as not run" in said[0]
    facts = scored(prepared, tmp_path)
    assert facts["sets"]["Kvasir"] is facts["sets"]["ETIS-LaribPolypDB"] is None
    assert facts["mean_of_sets"]["dice"] == pytest.approx(0.5)  # of the two that were run

    metrics = tmp_path / "scores" / "metrics.json"
    spec = TableSpec(
        rows={"order": "ORDER", "mkunet": "MK-UNet"},
        datasets={"polyps": "Polyps"},
        columns=["dice"],
        seeds=[0],
        files={"score": {"polyps": {"order": [metrics], "mkunet": [metrics]}}},
    )
    (tmp_path / "published.yaml").write_text("{}")
    make_table.main("3", spec, tmp_path / "published.yaml", tmp_path / "table3")
    text = (tmp_path / "table3.md").read_text()
    assert text.count("Kvasir") == text.count("ETIS-LaribPolypDB") == 1
    assert "Polyps: not run, and in no mean: ETIS-LaribPolypDB, Kvasir." in text


def test_frames_of_two_test_sets_are_reported_and_count_once(root, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        prepared = prepared_set(root, tmp_path)
    pairs = {("CVC-ColonDB/2", "CVC-300/0"), ("CVC-ColonDB/4", "CVC-300/2")}
    assert {tuple(pair[:2]) for pair in prepared.meta["duplicates"]} == pairs
    for pair in pairs:
        said = [r.getMessage() for r in caplog.records if all(n in r.getMessage() for n in pair)]
        assert len(said) == 1 and "are one image, or nearly" in said[0]
    facts = scored(prepared, tmp_path)
    assert facts["repeated_images"] == 2
    assert {name: part["images"] for name, part in facts["sets"].items() if part} == {
        "CVC-ColonDB": 5,
        "CVC-300": 3,
    }
    assert facts["all"]["images"] == 6
    assert facts["all"]["dice"] == pytest.approx(1 / 6)  # of CVC-300 only its own frame counts


def test_a_frame_that_is_also_in_training_still_counts_once_among_the_tests(root, tmp_path):
    for part in ("images", "masks"):  # frame 12 of both test sets stands in the training set too
        source = root / "TestDataset" / "CVC-ColonDB" / part / "2.png"
        (root / "TrainDataset" / part / "9.png").write_bytes(source.read_bytes())
    prepared = prepared_set(root, tmp_path)
    assert ["TrainDataset/9", "CVC-ColonDB/2", 0.0] in prepared.meta["duplicates"]
    facts = scored(prepared, tmp_path)
    assert (facts["repeated_images"], facts["all"]["images"]) == (2, 6)
