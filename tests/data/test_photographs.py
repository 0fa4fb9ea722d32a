"""Reading photographs: layouts, suffixes, masks as they come, and bad input refused by name."""

import numpy as np
import pytest
from conftest import raw_set
from PIL import Image

from workflow_src.common.errors import InputError
from workflow_src.data.image_files import read_image
from workflow_src.data.masks import read_mask
from workflow_src.data.pairs import find_pairs
from workflow_src.data.photographs import Photographs

GOOD = {"a.png": (8, 10), "b.PNG": (8, 10)}


def test_pranet_layout_with_both_folder_names_and_any_suffix(polyps_raw):
    raw = raw_set(Photographs, polyps_raw)
    sources = {r.source for r in raw.records}
    assert sources == {"TrainDataset", "Phantom-A", "Phantom-B"}
    assert sum(r.split == "test" for r in raw.records) == 6
    assert (polyps_raw / "TestDataset/Phantom-B/image/0.TIF").is_file()


def test_a_missing_test_set_is_named(polyps_raw):
    raw = raw_set(Photographs, polyps_raw, test_sets=["Phantom-A", "CVC-300"])
    assert raw.missing_sets == ["CVC-300"]


def test_one_folder_is_split(pair_folder):
    names = {f"{i}.png": (8, 8) for i in range(20)}
    raw = raw_set(
        Photographs, pair_folder("mine", names, names), test_fraction=0.2, validation_fraction=0.1
    )
    counts = {s: sum(r.split == s for r in raw.records) for s in ("train", "val", "test")}
    assert counts == {"train": 14, "val": 2, "test": 4}


def test_masks_with_grey_edges_labels_and_modes(tmp_path):
    grey = np.array([[0, 60, 127, 128, 200, 255]], np.uint8)
    for name, array, expected in (
        ("grey.png", grey, [0, 0, 0, 1, 1, 1]),
        ("labels.png", np.array([[0, 1]], np.uint8), [0, 1]),
        ("wide.png", np.array([[0, 65535]], np.uint16), [0, 1]),
        ("empty.png", np.array([[0, 0]], np.uint8), [0, 0]),
    ):
        Image.fromarray(array).save(tmp_path / name)
        assert read_mask(tmp_path / name).tolist() == [expected]
    Image.fromarray(grey > 100).save(tmp_path / "one_bit.png")
    assert read_mask(tmp_path / "one_bit.png").tolist() == [[0, 0, 1, 1, 1, 1]]


def palette_mask(array: list, colours: list) -> Image.Image:
    """A file of palette numbers, as labelling tools write them."""
    image = Image.fromarray(np.array([array], np.uint8), mode="P")
    image.putpalette(sum(colours, []))
    return image


BLACK, WHITE, RED = [0, 0, 0], [255, 255, 255], [128, 0, 0]


def test_masks_of_palette_numbers(tmp_path):
    for colours, numbers, expected in (
        ([BLACK, RED], [0, 1], [0, 1]),  # red would be too dark as a grey
        ([WHITE, BLACK], [0, 1], [1, 0]),  # tools order black and white as they like
        ([BLACK, [1, 1, 1]], [0, 1], [0, 1]),
    ):
        palette_mask(numbers, colours).save(tmp_path / "a.png")
        assert read_mask(tmp_path / "a.png").tolist() == [expected]


@pytest.mark.parametrize(
    "mask",
    [
        Image.fromarray(np.array([[0, 2]], np.uint8)),
        Image.fromarray(np.array([[0, 1, 2]], np.uint8)),
        Image.fromarray(np.array([[0, 127]], np.uint8)),
        Image.fromarray(np.array([[0, 3000]], np.uint16)),
        Image.fromarray(np.array([[BLACK, [255, 0, 0]]], np.uint8)),
        palette_mask([0, 1, 2], [BLACK, RED, [224, 224, 192]]),  # a bright border around the label
    ],
    ids=["0/2", "0/1/2", "half", "16 bit", "red", "palette"],
)
def test_labels_are_refused_not_taken_for_background(mask, tmp_path):
    mask.save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png (goes up|holds colours).*: save the lesion"):
        read_mask(tmp_path / "a.png")


def test_an_empty_mask_cut_out_of_a_jpeg_is_background(tmp_path):
    noise = np.random.default_rng(0).integers(0, 4, (32, 32)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", quality=95)
    assert 1 < np.asarray(Image.open(tmp_path / "a.jpg")).max() < 16
    assert not read_mask(tmp_path / "a.jpg").any()


def test_a_set_without_any_lesion_is_refused(pair_folder):
    folder = pair_folder("mine", GOOD, GOOD)
    for path in (folder / "masks").iterdir():
        Image.fromarray(np.zeros((8, 10), np.uint8)).save(path)
    with pytest.raises(InputError, match="so are all 2 of the set"):
        raw_set(Photographs, folder, test_fraction=0.5)


def test_images_of_any_mode_become_rgb(tmp_path):
    for name, array in (
        ("grey.png", np.full((4, 5), 7, np.uint8)),
        ("rgba.png", np.full((4, 5, 4), 7, np.uint8)),
        ("sixteen.png", np.full((4, 5), 30000, np.uint16)),
    ):
        Image.fromarray(array).save(tmp_path / name)
        assert read_image(tmp_path / name).shape == (4, 5, 3)


@pytest.mark.parametrize(("top", "white"), [(65535, 65535), (20000, 65535), (4000, 4095)])
def test_16_bit_images_keep_their_darkness(tmp_path, top, white):
    grey = np.linspace(0, top, 20).astype(np.uint16).reshape(4, 5)
    Image.fromarray(grey).save(tmp_path / "image.png")
    expected = np.rint(grey / white * 255)
    np.testing.assert_array_equal(read_image(tmp_path / "image.png")[..., 0], expected)


def test_an_image_too_large_to_be_one_is_named(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(InputError, match=r"huge\.png is too large.*make it smaller"):
        read_image(tmp_path / "huge.png")


@pytest.mark.parametrize(
    ("images", "masks", "words"),
    [
        ({**GOOD, "c.jpg": (8, 8)}, GOOD, ["image", "c.jpg has no mask", "add one"]),
        (GOOD, {**GOOD, "c.tif": (8, 8)}, ["mask", "c.tif has no image"]),
        (GOOD, {"a.png": (8, 10), "b.PNG": (9, 10)}, ["10x9", "10x8", "b.PNG", "export"]),
        ({}, {}, ["holds no image"]),
        ({**GOOD, "a.jpg": (8, 10)}, GOOD, ["share a stem"]),
    ],
)
def test_pairs_that_do_not_match_are_refused(pair_folder, images, masks, words):
    folder = pair_folder("mine", images, masks)
    with pytest.raises(InputError) as error:
        raw_set(Photographs, folder, test_fraction=0.5)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_truncated_image_is_named(pair_folder):
    folder = pair_folder("mine", {"a.png": (64, 64)}, {"a.png": (64, 64)})
    file = folder / "images" / "a.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(InputError, match=r"a\.png .*damaged|a\.png is damaged"):
        read_image(file)


def test_a_file_that_is_not_an_image_is_named(pair_folder):
    folder = pair_folder("mine", GOOD, GOOD)
    (folder / "masks" / "a.png").write_text("<html>")
    with pytest.raises(InputError, match=r"a\.png is not a readable image"):
        raw_set(Photographs, folder, test_fraction=0.5)


@pytest.mark.parametrize("name", ["nowhere", "TestDataset"])
def test_a_wrong_root_is_refused(polyps_raw, name):
    with pytest.raises(InputError, match="TrainDataset|not a folder"):
        raw_set(Photographs, polyps_raw / name)


def test_folders_of_other_names_are_listed(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match=r"no images/ and masks/.*pictures"):
        find_pairs(tmp_path)


def test_empty_masks_are_kept_dropped_or_refused(pair_folder):
    folder = pair_folder("mine", GOOD, GOOD)
    Image.fromarray(np.zeros((8, 10), np.uint8)).save(folder / "masks" / "a.png")
    kept = raw_set(Photographs, folder, test_fraction=0.5, validation_fraction=0)
    assert len(kept.records) == 2
    assert kept.empty == [str(folder / "masks" / "a.png")]
    dropped = raw_set(
        Photographs, folder, test_fraction=0.5, validation_fraction=0, empty_masks="drop"
    )
    assert [r.stem for r in dropped.records] == ["b"]
    with pytest.raises(InputError, match=r"a\.png is all background"):
        raw_set(Photographs, folder, test_fraction=0.5, empty_masks="refuse")
