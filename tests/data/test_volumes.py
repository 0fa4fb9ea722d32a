"""CT volumes of the shapes and types that KiTS19 and its users have, from file to prepared set."""

import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from conftest import raw_set

from workflow_src import prepare_data
from workflow_src.common.errors import InputError
from workflow_src.data import nifti
from workflow_src.data.kits19 import KiTS19
from workflow_src.data.prepared import PreparedSet

AFFINE = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])


def write_case(root, number, volume, labels, affine=AFFINE):
    case = root / f"case_{number:05d}"
    case.mkdir(parents=True)
    nib.save(nib.Nifti1Image(volume, affine), case / "imaging.nii.gz")
    nib.save(nib.Nifti1Image(labels, affine), case / "segmentation.nii.gz")
    return case


def drawn(shape, seed=0):
    """A volume of Hounsfield units, and labels with a kidney in every slice but the first of
    several."""
    volume = np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)
    labels = np.zeros(shape, np.uint8)
    labels[min(1, shape[0] - 1) :, shape[1] // 4 : shape[1] // 2, shape[2] // 3 :] = 1
    return volume, labels


def test_wide_and_single_slice_volumes_are_prepared_like_any(tmp_path):
    shapes = [(3, 512, 796), (1, 512, 512), (1, 512, 796), (2, 40, 24)]
    for number, shape in enumerate(shapes):
        write_case(tmp_path / "raw", number, *drawn(shape, number))
    reading = prepare_data.Reading(format="kits19", test_fraction=0.5, validation_fraction=0.25)
    for name, size in (("resized", 64), ("native", None)):
        prepare_data.main(tmp_path / "raw", tmp_path / name, reading, size=size)
        prepared = PreparedSet(tmp_path / name)
        found = [prepared.shape(row) for row in range(len(prepared))]
        assert found == [(512, 796), (512, 796), (512, 512), (512, 796), (40, 24)]
        for row, (height, width) in enumerate(found):
            expected = np.zeros((height, width), bool)
            expected[height // 4 : height // 2, width // 3 :] = True
            assert prepared.index.lesion_fraction[row] == pytest.approx(expected.mean())
            if prepared.index.split[row] == "test":
                assert np.array_equal(prepared.original_mask(row), expected)
            side = (height, width) if size is None else (size, size)
            assert prepared.image(row).shape == (*side, 1)
            assert prepared.mask(row).shape == side


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_reading_in_blocks_gives_what_nibabel_gives(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(nifti, "BLOCK", 7 * 9 * 4)  # blocks of four columns, the last of two
    volume = np.random.default_rng(0).integers(0, 250, (7, 9, 14)).astype(dtype)
    case = write_case(tmp_path, 0, volume, np.ones(volume.shape, np.uint8))
    file, to_bytes = case / "imaging.nii.gz", lambda block: block.astype(np.uint8)
    whole = nib.load(file).get_fdata()
    for axis in range(3):
        found = nifti.read_volume(file, to_bytes, axis, 0, whole.shape[axis])
        assert found.dtype == np.uint8
        assert np.array_equal(found, whole)
        part = nifti.read_volume(file, to_bytes, axis, 2, 6)
        assert np.array_equal(part, whole.take(range(2, 6), axis))


def test_volumes_stored_in_another_order_of_axes_hang_the_same(tmp_path):
    volume, labels = drawn((4, 12, 10))
    write_case(tmp_path / "kits", 0, volume, labels)
    # The same voxels with the slices last and columns to the right, as most scanners' files are.
    turned = AFFINE[:, [2, 1, 0, 3]].copy()
    turned[:3, 3] += turned[:3, 0] * 9
    turned[:3, 0] *= -1
    other = [np.ascontiguousarray(a.transpose(2, 1, 0)[::-1]) for a in (volume, labels)]
    write_case(tmp_path / "usual", 0, *other, affine=turned)
    first, second = (
        [pair for rows in raw.groups() for pair in raw.read(rows)]
        for raw in (
            raw_set(KiTS19, tmp_path / name, test_fraction=0, validation_fraction=0)
            for name in ("kits", "usual")
        )
    )
    assert len(first) == len(second) == 3
    for ours, theirs in zip(first, second, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_volume_takes_a_byte_a_voxel_in_any_type(tmp_path, monkeypatch):
    """Two volumes, grey and labels, and a few blocks; a float64 volume alone would be eight."""
    monkeypatch.setattr(nifti, "BLOCK", 2**16)
    volume, labels = drawn((64, 256, 128))
    write_case(tmp_path, 0, volume.astype(np.float64), labels.astype(np.float64))
    tracemalloc.start()
    raw = raw_set(KiTS19, tmp_path, slices="all", test_fraction=0, validation_fraction=0)
    _, listing = tracemalloc.get_traced_memory()
    pairs = raw.read(raw.groups()[0])
    _, reading = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert listing < 3 * 2**20
    made = sum(image.nbytes + mask.nbytes for image, mask in pairs)
    assert reading < made + 2 * volume.size + 3 * 2**20


@pytest.mark.parametrize("name", ["imaging.nii.gz", "segmentation.nii.gz"])
@pytest.mark.parametrize("harm", ["cut", "overwritten", "no gzip"])
def test_damage_deep_in_a_file_is_named(tmp_path, name, harm):
    rng = np.random.default_rng(0)  # noise, which packs badly: the damage lies in the voxels
    volume = rng.integers(-1000, 1000, (6, 64, 64)).astype(np.int16)
    case = write_case(tmp_path, 0, volume, rng.integers(0, 3, volume.shape).astype(np.uint8))
    content = bytearray((case / name).read_bytes())
    middle = len(content) // 2
    if harm == "cut":
        content = content[:middle]
    elif harm == "overwritten":
        content[middle : middle + 40] = bytes(40)
    else:
        content = b"<html>not found</html>" * 50
    (case / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"case_00000/{name} is (damaged|not a readable)"):
        raw = raw_set(KiTS19, tmp_path, test_fraction=0, validation_fraction=0)
        raw.read(raw.groups()[0])
