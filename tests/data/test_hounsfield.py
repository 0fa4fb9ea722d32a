"""CT files with odd headers or numbers: read rightly, or refused by name in one line."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from conftest import raw_set

from workflow_src.common.errors import InputError
from workflow_src.data.kits19 import KiTS19

AFFINE = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])
SHAPE = (4, 12, 10)


def body() -> tuple[np.ndarray, np.ndarray]:
    """Hounsfield units int16 of a body in air with a kidney, and its labels."""
    volume = np.full(SHAPE, -1000, np.int16)
    volume[:, 2:10, 2:8] = -100
    volume[:, 3:9, 3:7] = 50
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 4:6, 4:6] = 1
    volume[labels > 0] = 180
    return volume, labels


def write(root, volume=None, labels=None, fields=None, labels_fields=None, kind=nib.Nifti1Image):
    """Write a case and set fields of its headers afterwards, as no library would."""
    case = root / "case_00000"
    case.mkdir(parents=True)
    good = body()
    for name, array, other, changes in (
        ("imaging", volume, good[0], fields), ("segmentation", labels, good[1], labels_fields)
    ):  # fmt: skip
        path = case / f"{name}.nii.gz"
        nib.save(kind(other if array is None else array, AFFINE), path)
        change_header(path, changes)
    return root


def change_header(path, fields) -> None:
    content = bytearray(gzip.decompress(path.read_bytes()))
    if not fields:
        return
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for key, value in fields.items():
        header[key] = value
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)))


def read_all(root, **options):
    raw = raw_set(KiTS19, root, test_fraction=0, validation_fraction=0, **options)
    return [pair for rows in raw.groups() for pair in raw.read(rows)]


def dims(*shape):
    return {"dim": [len(shape), *shape, *[1] * (7 - len(shape))]}


ZEROS = {"srow_x": 0, "srow_y": 0, "srow_z": 0}
HEADERS = [
    ({"sform_code": 0, "qform_code": 0}, "does not say how the patient lies"),
    (ZEROS, "do not span space"),
    ({"srow_x": [np.nan, 0, 0, 0]}, "do not span space"),
    ({"srow_x": [0, -1e-30, 0, 0], "srow_y": [0, -1, 0, 0]}, "do not span space"),
    ({"srow_z": [0, -1, -1, 0], "srow_y": [0, -1, -1, 0]}, "do not span space"),
    (dims(4, 0, 10), "holds nothing"),
    (dims(0, 12, 10), "holds nothing"),
    (dims(4, -12, 10), "not a readable NIfTI|holds nothing"),
    (dims(4, 12), "three axes"),
    (dims(4, 12, 10, 1), "three axes"),
    (dims(4, 12, 11), "they must be equal"),
    (dims(32767, 32767, 32767), "more than a file of"),
    ({"scl_slope": 1, "scl_inter": np.nan}, "not a readable NIfTI file|not finite"),
    ({"scl_slope": np.nan, "scl_inter": -1024}, "not finite"),
    ({"scl_slope": np.inf, "scl_inter": 0}, "not finite"),
    ({"scl_slope": 1, "scl_inter": np.inf}, "not a readable NIfTI file|not finite"),
    ({"datatype": 128, "bitpix": 24}, "plain numbers are expected"),
    ({"datatype": 32, "bitpix": 64}, "plain numbers are expected"),
    ({"datatype": 1, "bitpix": 1}, "not a readable NIfTI file"),
    ({"datatype": 9999}, "not a readable NIfTI file"),
    ({"magic": b"abc"}, "not a readable NIfTI file"),
    ({"vox_offset": 1e9}, "damaged|not a readable"),
    ({"vox_offset": -4}, "damaged|not a readable"),
]


@pytest.mark.parametrize(("fields", "words"), HEADERS)
@pytest.mark.parametrize("part", ["fields", "labels_fields"])
def test_odd_headers_are_refused_by_name(fields, words, part, tmp_path):
    name = "imaging" if part == "fields" else "segmentation"
    with pytest.raises(InputError, match=words) as error:
        read_all(write(tmp_path, **{part: fields}))
    said = str(error.value)
    assert "/case_00000/" in said and f"{name}.nii.gz" in said and "\n" not in said


def test_a_negative_slope_is_refused(tmp_path):
    with pytest.raises(InputError, match="negative slope"):
        read_all(write(tmp_path, fields={"scl_slope": -1, "scl_inter": 0}))


OTHERS = [  # what is stored of Hounsfield units, the header's fields, and what is said
    (lambda hu: (hu + 1024).astype(np.uint16), {}, "stored as uint16.*-1024"),
    (lambda hu: (hu + 1024).astype(np.uint16), {"scl_slope": 1, "scl_inter": -1024}, None),
    (lambda hu: (hu + 1024).astype(np.int16), {}, "neither air nor fat"),
    (lambda hu: (hu + 1024).astype(np.float32), {}, "neither air nor fat"),
    (lambda hu: (hu + 1024).astype(np.int16), {"scl_slope": 1, "scl_inter": -1024}, None),
    (lambda hu: hu.astype(np.int8), {}, "stored as int8"),
    (lambda hu: (hu // 10).astype(np.int8), {"scl_slope": 10, "scl_inter": 0}, None),
    (lambda hu: ((hu + 160) / 400 * 255).clip(0, 255).astype(np.uint8), {}, "stored as uint8"),
    (lambda hu: hu.view(np.uint16), {}, "stored as uint16"),
    (lambda hu: hu.view(np.uint16).astype(np.int32), {}, "fit 16 bits|neither air nor fat"),
    (lambda hu: (hu / 1000).astype(np.float32), {}, "not Hounsfield units"),
    (lambda hu: np.where(hu > 0, np.float32(1e30), hu).astype(np.float32), {}, "fit 16 bits"),
    (lambda hu: np.where(hu > 100, np.nan, hu).astype(np.float32), {}, "not finite"),
    (lambda hu: np.where(hu < -900, -np.inf, hu).astype(np.float32), {}, "not finite"),
    (lambda hu: np.where(hu < -900, hu, hu + 1024).astype(np.int16), {}, "above the window"),
    (lambda hu: hu.astype(np.float64), {}, None),
    (lambda hu: hu.astype(np.int32), {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("store", "fields", "words"), OTHERS)
def test_numbers_that_ct_cannot_have_are_named(store, fields, words, tmp_path):
    hu, _ = body()
    expected = read_all(write(tmp_path / "plain"))
    root = write(tmp_path / "other", volume=store(hu), fields=fields)
    if words is None:
        for (image, mask), (plain, plain_mask) in zip(read_all(root), expected, strict=True):
            np.testing.assert_array_equal(image, plain)
            np.testing.assert_array_equal(mask, plain_mask)
        return
    with pytest.raises(InputError, match=words) as error:
        read_all(root)
    assert "case_00000/imaging.nii.gz" in str(error.value) and "\n" not in str(error.value)


def test_nifti_2_is_read_like_nifti_1(tmp_path):
    first = read_all(write(tmp_path / "1"))
    second = read_all(write(tmp_path / "2", kind=nib.Nifti2Image))
    for ours, theirs in zip(first, second, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_other_formats_in_its_place_are_refused(tmp_path):
    root = write(tmp_path)
    file = root / "case_00000" / "imaging.nii.gz"
    file.unlink()
    nib.save(nib.MGHImage(np.zeros(SHAPE, np.float32), AFFINE), tmp_path / "a.mgz")
    (tmp_path / "a.mgz").rename(file)
    with pytest.raises(InputError, match=r"imaging\.nii\.gz is not a readable NIfTI file"):
        read_all(root)


def test_cases_without_the_target_are_listed(tmp_path):
    root = write(tmp_path)
    (root / "case_00000").rename(root / "case_00001")
    write(tmp_path, labels=np.zeros(SHAPE, np.uint8))
    raw = raw_set(KiTS19, root, test_fraction=0, validation_fraction=0)
    assert {record.case for record in raw.records} == {"case_00001"}
    assert raw.empty == [str(root / "case_00000" / "segmentation.nii.gz")]
    assert "case_00000/segmentation.nii.gz does not show the target" in raw.remarks[0]
