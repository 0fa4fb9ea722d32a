"""The prepared set: arrays, sizes, splits, duplicates, and that nothing half-written stays."""

import json
import shutil
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from workflow_src import prepare_data
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.data import arrays
from workflow_src.data.image_files import read_image
from workflow_src.data.masks import read_mask
from workflow_src.data.prepared import PreparedSet, resize_mask


def test_arrays_index_and_meta_agree(polyps):
    assert polyps.images.shape == (18, 32, 32, 3)
    assert set(np.unique(polyps.masks)) <= {0, 1}
    assert polyps.meta["splits"] == {"train": 11, "val": 1, "test": 6}
    assert 0 < polyps.meta["mean_lesion_fraction"] < 0.10


def test_test_masks_keep_their_original_size(polyps, polyps_raw):
    row = polyps.rows("test")[0]
    stem = polyps.index.stem[row]
    original = read_mask(polyps_raw / "TestDataset" / "Phantom-A" / "masks" / f"{stem}.jpg")
    np.testing.assert_array_equal(polyps.original_mask(row), original)


def test_native_sizes_are_kept(native_polyps, polyps_raw):
    for row in (0, 5, len(native_polyps) - 1):
        assert native_polyps.image(row).shape[:2] == native_polyps.shape(row)
        assert native_polyps.mask(row).shape == native_polyps.shape(row)
    first = polyps_raw / "TrainDataset" / "images" / f"{native_polyps.index.stem[0]}.png"
    np.testing.assert_array_equal(native_polyps.image(0), read_image(first))


def test_preparing_again_writes_the_same_bytes(polyps, polyps_raw, tmp_path):
    prepare_data.main(polyps_raw, tmp_path / "again", prepare_data.Reading(), size=32, threads=2)
    assert PreparedSet(tmp_path / "again").meta["sha256"] == polyps.meta["sha256"]


def test_a_lesion_of_one_pixel_does_not_vanish():
    mask = np.zeros((100, 100), np.uint8)
    mask[41, 67] = 1
    small = resize_mask(mask, 10)
    assert small.sum() == 1
    assert small[4, 6] == 1


def test_an_empty_mask_stays_empty():
    assert resize_mask(np.zeros((40, 40), np.uint8), 10).sum() == 0


def test_copies_across_train_and_test_are_listed(polyps_raw, tmp_path, caplog):
    root = tmp_path / "raw"
    shutil.copytree(polyps_raw, root)
    copy = root / "TestDataset" / "Phantom-A"
    picture = Image.open(root / "TrainDataset" / "images" / "3.png")
    picture.save(copy / "images" / "copy.jpg", quality=80)
    shutil.copy(root / "TrainDataset" / "masks" / "3.png", copy / "masks" / "copy.png")
    for part in ("TrainDataset", "TestDataset/Phantom-A"):
        (root / part / "cases.csv").unlink()
    with caplog.at_level("WARNING"):
        prepare_data.main(root, tmp_path / "out", prepare_data.Reading(), size=32)
    prepared = PreparedSet(tmp_path / "out")
    assert [pair[:2] for pair in prepared.meta["duplicates"]] == [
        ["TrainDataset/3", "Phantom-A/copy"]
    ]
    row = prepared.index.index[prepared.index.stem == "copy"][0]
    assert prepared.index.duplicate_of[row] == "TrainDataset/3"
    assert "Phantom-A/copy (test)" in caplog.text
    cases = prepared.index.set_index(prepared.index.source + "/" + prepared.index.stem).case
    assert cases["Phantom-A/copy"] == cases["TrainDataset/3"]  # by their likeness
    assert prepared.index.case_guessed.tolist() == (prepared.index.source != "Phantom-B").tolist()
    assert prepared.meta["shared_cases"] == [cases["TrainDataset/3"]]
    assert "cases on both sides of the split: 1," in caplog.text


def test_a_damaged_image_leaves_nothing_behind(polyps_raw, tmp_path):
    root = tmp_path / "raw"
    shutil.copytree(polyps_raw, root)
    file = root / "TrainDataset" / "images" / "7.png"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match=r"7\.png is damaged"):
        prepare_data.main(root, tmp_path / "out", prepare_data.Reading(), size=32)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".workflow"]
    assert not list(tmp_path.glob(".*partial"))


def test_a_disk_too_small_is_refused_first(polyps_raw, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 99, 1))
    with pytest.raises(InputError, match=r"needs .* MiB but .* left: free some space"):
        prepare_data.main(polyps_raw, tmp_path / "out", prepare_data.Reading(), size=32)


def test_no_prepared_set_is_said_with_the_remedy(tmp_path):
    with pytest.raises(InputError, match=r"holds no prepared set .*prepare_data"):
        PreparedSet(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"), [('{"format": 1,', "is damaged"), ('{"format": 1}', "no 'channels'")]
)
def test_a_meta_file_that_is_cut_off_or_of_another_version_is_named(tmp_path, text, words):
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(InputError, match=rf"meta\.json .*{words}"):
        PreparedSet(tmp_path)


@pytest.fixture
def copied(polyps, tmp_path):
    """A copy of the prepared polyps, to be harmed."""
    shutil.copytree(polyps.folder, tmp_path / "set")
    return tmp_path / "set"


def cut(file):
    file.write_bytes(file.read_bytes()[:-30])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def zero(file):
    content = bytearray(file.read_bytes())
    content[300:] = bytes(len(content) - 300)
    file.write_bytes(content)


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut, flip, zero, empty])
@pytest.mark.parametrize("name", ["images.npy", "masks.npy", "index.csv", "original_masks.npy"])
def test_a_set_that_was_harmed_is_named_when_it_is_opened(copied, name, harm):
    harm(copied / name)
    with pytest.raises(InputError, match=rf"{name} (is damaged|was changed or damaged)") as error:
        prepared = PreparedSet(copied)
        prepared.original_mask(prepared.rows("test")[0])
    assert "\n" not in str(error.value)


def test_arrays_of_another_set_are_refused(copied, native_polyps):
    shutil.copy(native_polyps.folder / "images.npy", copied)
    with pytest.raises(InputError, match=r"images\.npy holds uint8 of shape .* is expected"):
        PreparedSet(copied)


def test_a_row_less_is_refused_even_with_its_hash(copied):
    lines = (copied / "index.csv").read_text().splitlines(keepends=True)
    (copied / "index.csv").write_text("".join(lines[:5]))
    meta = json.loads((copied / "meta.json").read_text())
    meta["sha256"]["index.csv"] = file_sha256(copied / "index.csv")
    (copied / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match=r"index\.csv has 4 rows but meta\.json says 18"):
        PreparedSet(copied)


def test_a_set_of_another_format_is_named(copied):
    meta = json.loads((copied / "meta.json").read_text())
    (copied / "meta.json").write_text(json.dumps(meta | {"format": 0}))
    with pytest.raises(InputError, match="of format 0, and this version .* make it again"):
        PreparedSet(copied)


def test_a_large_array_is_checked_by_blocks_spread_over_it(polyps_raw, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "WHOLE", 10_000)
    monkeypatch.setattr(arrays, "BLOCK", 100)
    prepare_data.main(polyps_raw, tmp_path / "set", prepare_data.Reading(), size=32)
    PreparedSet(tmp_path / "set")
    zero(tmp_path / "set" / "images.npy")
    with pytest.raises(InputError, match=r"images\.npy was changed"):
        PreparedSet(tmp_path / "set")
