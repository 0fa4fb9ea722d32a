"""Masks and overlays for people's own images: any mode and size, and what is refused by name."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workflow_src import segment_images
from workflow_src.common.errors import InputError
from workflow_src.data.image_files import read_image
from workflow_src.segmentation.prediction import TrainedSegmenter

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = ("masks", "overlays", "probabilities")


@pytest.fixture
def images(tmp_path):
    """Images of every mode that people have, one of them smaller than the networks' stride."""
    folder = tmp_path / "images"
    folder.mkdir()
    colour = np.random.default_rng(0).integers(0, 256, (40, 55, 4), dtype=np.uint8)
    colour[:20] //= 4
    rgb = Image.fromarray(colour[..., :3])
    rgb.save(folder / "colour.PNG")
    rgb.convert("L").save(folder / "grey.png")
    rgb.quantize(16).save(folder / "palette.png")
    rgb.resize((9, 7)).save(folder / "small.jpg")
    rgb.resize((70, 64)).save(folder / "large.tif")
    Image.fromarray(colour).save(folder / "rgba.png")
    Image.fromarray(colour[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def opened(path) -> np.ndarray:
    with Image.open(path) as file:
        return np.asarray(file)


@pytest.mark.parametrize("fit", ["crop", "resize"])
def test_every_image_gets_its_mask_overlay_and_row(untrained, images, tmp_path, fit):
    model, out = untrained("order", fit=fit), tmp_path / "out"
    trained = TrainedSegmenter(model, "cpu")
    image = read_image(images / "colour.PNG")
    threshold = float(np.median(trained.predict(image[None], [image.shape[:2]])[0]))
    segment_images.main(model, images, out, threshold=threshold, probabilities=True)
    files = sorted(f for f in images.iterdir() if f.suffix != ".txt")
    table = pd.read_csv(out / "summary.csv")
    assert table.file.tolist() == [f.name for f in files]
    for (_, row), file in zip(table.iterrows(), files, strict=True):
        image = read_image(file)
        mask, overlay, levels = (opened(out / kind / f"{file.stem}.png") for kind in KINDS)
        (probability,) = trained.predict(image[None], [image.shape[:2]])
        assert np.array_equal(mask, np.where(probability >= threshold, 255, 0))
        assert np.array_equal(levels, np.rint(probability * 255))
        assert np.array_equal(overlay[mask == 0], image[mask == 0])
        assert (row.width, row.height) == (image.shape[1], image.shape[0])
        assert row.lesion_pixels == (mask > 0).sum()
        assert row.lesion_fraction == pytest.approx((mask > 0).mean(), abs=1e-6)
    colour = table[table.file == "colour.PNG"].iloc[0]
    assert 0.4 < colour.lesion_fraction < 0.6  # so that both sides were tested
    assert json.loads((out / "segmentation.json").read_text())["threshold"] == threshold


def test_the_outline_lies_on_the_lesions_edge():
    image, mask = np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), bool)
    mask[5:15, 10:20] = True
    drawn = (segment_images.outlined(image, mask) == segment_images.OUTLINE).all(axis=2)
    inside = np.zeros_like(mask)
    inside[6:14, 11:19] = True
    assert np.array_equal(drawn, mask & ~inside)
    assert not image.any()  # the picture itself is left alone


def test_called_again_it_writes_the_same_and_leaves_nothing_of_before(untrained, images, tmp_path):
    def written() -> dict[str, bytes]:
        return {str(f): f.read_bytes() for f in sorted(tmp_path.glob("out/**/*.*"))}

    model, out = untrained("mkunet"), tmp_path / "out"
    segment_images.main(model, images, out)
    before = written()
    (images / "late.png").write_bytes((images / "grey.png").read_bytes())
    segment_images.main(model, images, out, probabilities=True)
    assert (out / "masks" / "late.png").is_file() and (out / "probabilities").is_dir()
    (images / "late.png").unlink()
    segment_images.main(model, images, out)
    assert written() == before
    assert not (out / "probabilities").exists()


def test_a_damaged_image_is_named_and_the_others_are_done(untrained, images, tmp_path):
    whole = (images / "colour.PNG").read_bytes()
    (images / "broken.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"1 of 8 images.*broken\.png is damaged"):
        segment_images.main(untrained("mkunet"), images, tmp_path / "out")
    assert len(pd.read_csv(tmp_path / "out" / "summary.csv")) == 7
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 7


def test_a_call_that_fails_leaves_no_half_of_its_results(untrained, images, tmp_path, monkeypatch):
    calls, real = [], TrainedSegmenter.predict

    def fails(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(TrainedSegmenter, "predict", fails)
    with pytest.raises(KeyboardInterrupt):
        segment_images.main(untrained("mkunet"), images, tmp_path / "out")
    assert not [f for f in tmp_path.glob("**/*.png") if f.parent != images]


def test_a_data_sets_own_masks_are_safe(untrained, images, tmp_path):
    (tmp_path / "masks").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "masks" / "colour.png")
    before = (tmp_path / "masks" / "colour.png").read_bytes()
    model = shutil.move(untrained("mkunet"), tmp_path.with_name(f"{tmp_path.name}-model"))
    with pytest.raises(InputError, match="holds .*, which this workflow did not write"):
        elsewhere = shutil.copytree(images, tmp_path.with_name(f"{tmp_path.name}-images"))
        segment_images.main(model, elsewhere, tmp_path)
    with pytest.raises(InputError, match="--images .* is inside --out .*: give another folder"):
        segment_images.main(tmp_path, images, tmp_path)
    assert (tmp_path / "masks" / "colour.png").read_bytes() == before


@pytest.mark.parametrize(
    ("images_name", "out_name", "settings", "words"),
    [
        ("nowhere", "out", {}, ["nowhere is not a folder"]),
        ("empty", "out", {}, ["empty holds no image", "*.png", "*.tiff"]),
        ("images", "images", {}, ["images is inside --out"]),
        ("images", "images/notes.txt", {}, ["notes.txt is a file"]),
        ("images", "out", {"threshold": 50}, ["--threshold 50", "between 0 and 1"]),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    untrained, images, tmp_path, images_name, out_name, settings, words
):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as error:
        segment_images.main(
            untrained("mkunet"), tmp_path / images_name, tmp_path / out_name, **settings
        )
    assert all(word in str(error.value) for word in words), str(error.value)
    assert not (tmp_path / "out").exists()


def test_images_that_would_overwrite_one_another_are_both_named(untrained, images, tmp_path):
    Image.new("RGB", (8, 8)).save(images / "grey.jpg")
    with pytest.raises(InputError, match=r"grey\.png and .*grey\.jpg share a stem"):
        segment_images.main(untrained("mkunet"), images, tmp_path / "out")


def test_a_folder_without_a_model_is_said(images, tmp_path):
    with pytest.raises(InputError, match="holds no trained segmenter"):
        segment_images.main(tmp_path, images, tmp_path / "out")
