"""Reading KiTS19: scaling, orientation, targets, splits, and bad cases refused by name."""

import nibabel as nib
import numpy as np
import pytest
from conftest import raw_set

from workflow_src.common.errors import InputError
from workflow_src.data.kits19 import KiTS19, find_cases

AFFINE = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])


@pytest.fixture
def write_case(tmp_path):
    """A function that writes a case under tmp_path."""

    def write(volume, labels, name="case_00000", affine=AFFINE, labels_affine=AFFINE, slope=None):
        case = tmp_path / name
        case.mkdir()
        image = nib.Nifti1Image(volume, affine)
        if slope is not None:
            image.header.set_slope_inter(*slope)
        nib.save(image, case / "imaging.nii.gz")
        nib.save(nib.Nifti1Image(labels, labels_affine), case / "segmentation.nii.gz")
        return tmp_path

    return write


def ramp(shape=(4, 6, 8)):
    """A volume whose voxels differ, and labels with kidney in slice 1 and tumour in slice 2."""
    volume = np.arange(np.prod(shape)).reshape(shape).astype(np.int16) * 2 - 150
    labels = np.zeros(shape, np.uint8)
    labels[1, 2, 3] = 1
    labels[2, 2, 3] = 2
    return volume, labels


def read_all(raw):
    return [pair for rows in raw.groups() for pair in raw.read(rows)]


def test_sixteen_bit_float_and_scaled_volumes_give_the_same_grey(tmp_path):
    volume, labels = ramp()
    found = []
    for name, stored, slope in (
        ("int", volume, None),
        ("float", volume.astype(np.float32), None),
        ("scaled", (volume * 2 + 40).astype(np.int16), (0.5, -20.0)),
    ):
        root = tmp_path / name / "case_00000"
        root.mkdir(parents=True)
        image = nib.Nifti1Image(stored, AFFINE)
        if slope:  # write the stored numbers with a slope beside them, as scanners do
            image = nib.Nifti1Image(stored, AFFINE)
            image.header.set_slope_inter(*slope)
            image.header.set_data_dtype(np.int16)
            with open(root / "imaging.nii", "wb") as file:
                image.header["vox_offset"] = 352
                header = image.header.copy()
                header["scl_slope"], header["scl_inter"] = slope
                file.write(header.binaryblock + b"\0" * 4)
                file.write(stored.tobytes(order="F"))
            packed = nib.load(root / "imaging.nii")
            assert packed.dataobj.slope == 0.5
            import gzip

            (root / "imaging.nii.gz").write_bytes(
                gzip.compress((root / "imaging.nii").read_bytes())
            )
        else:
            nib.save(image, root / "imaging.nii.gz")
        nib.save(nib.Nifti1Image(labels, AFFINE), root / "segmentation.nii.gz")
        raw = raw_set(
            KiTS19, tmp_path / name, window=(-50, 150), test_fraction=0, validation_fraction=0
        )
        found.append(np.stack([image for image, _ in read_all(raw)]))
    assert found[0].shape == (2, 6, 8, 1)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_slice_hangs_as_the_header_says(write_case):
    volume, labels = ramp()
    root = write_case(volume, labels)
    raw = raw_set(KiTS19, root, window=(-50, 141), test_fraction=0, validation_fraction=0)
    (image, mask), _ = read_all(raw)
    np.testing.assert_array_equal(np.argwhere(mask), [[2, 3]])
    assert image[0, 0, 0] < image[-1, -1, 0]  # rows to posterior, columns to the left, as stored


def test_a_mirrored_header_is_turned_back(write_case, tmp_path):
    volume, labels = ramp()
    mirrored = AFFINE.copy()
    mirrored[0, 2] = 1.0  # columns run to the right: the picture must be flipped
    root = write_case(volume, labels, affine=mirrored, labels_affine=mirrored)
    _, mask = read_all(raw_set(KiTS19, root, test_fraction=0, validation_fraction=0))[0]
    np.testing.assert_array_equal(np.argwhere(mask), [[2, 8 - 1 - 3]])


@pytest.mark.parametrize(
    ("plane", "shape"), [("axial", (6, 8)), ("coronal", (4, 8)), ("sagittal", (4, 6))]
)
def test_planes(write_case, plane, shape):
    volume, labels = ramp()
    raw = raw_set(
        KiTS19, write_case(volume, labels), plane=plane, test_fraction=0, validation_fraction=0
    )
    assert {(r.height, r.width) for r in raw.records} == {shape}


@pytest.mark.parametrize(
    ("plane", "spacing"), [("axial", (0.8, 0.7)), ("coronal", (3, 0.7)), ("sagittal", (3, 0.8))]
)
def test_spacing_is_that_of_the_slices_rows_and_columns(write_case, plane, spacing):
    affine = AFFINE.copy()
    affine[0, 2], affine[1, 1] = -0.7, -0.8
    root = write_case(*ramp(), affine=affine, labels_affine=affine)
    raw = raw_set(KiTS19, root, plane=plane, test_fraction=0, validation_fraction=0)
    assert raw.spacing == {"case_00000": pytest.approx(spacing)}


def test_targets_and_slices(write_case):
    root = write_case(*ramp())

    def count(**options):
        return len(raw_set(KiTS19, root, test_fraction=0, validation_fraction=0, **options).records)

    assert count() == 2
    assert count(target="tumour") == 1
    assert count(slices="all") == 4


def test_odd_shapes(write_case):
    volume = np.linspace(-150, 200, 51 * 79).reshape(1, 51, 79).astype(np.int16)
    labels = np.ones((1, 51, 79), np.uint8)
    raw = raw_set(KiTS19, write_case(volume, labels), test_fraction=0, validation_fraction=0)
    ((image, mask),) = read_all(raw)
    assert image.shape == (51, 79, 1)
    assert mask.shape == (51, 79)


def test_patients_stay_on_one_side(kidneys_raw):
    by_case, leaky = raw_set(KiTS19, kidneys_raw), raw_set(KiTS19, kidneys_raw, split="leaky_slice")

    def straddling(raw):
        splits = {}
        for record in raw.records:
            splits.setdefault(record.case, set()).add(record.split)
        return [case for case, found in splits.items() if len(found) > 1]

    assert straddling(by_case) == []
    assert straddling(leaky) != []


def test_bad_cases_are_refused_by_name(write_case, tmp_path):
    volume, labels = ramp()
    moved = AFFINE.copy()
    moved[0, 3] = 9
    for name, arguments, words in (
        (
            "case_00001",
            {"labels": labels + 5},
            ["case_00001", "labels [5, 6, 7]", "0 (background)"],
        ),
        ("case_00002", {"labels": labels[:3]}, ["case_00002", "(3, 6, 8)", "(4, 6, 8)"]),
        ("case_00003", {"labels": labels, "labels_affine": moved}, ["case_00003", "affines"]),
    ):
        root = write_case(volume, name=name, **arguments)
        with pytest.raises(InputError) as error:
            raw_set(KiTS19, root)
        assert all(word in str(error.value) for word in words), str(error.value)
        for file in (tmp_path / name).iterdir():
            file.unlink()
        (tmp_path / name).rmdir()


def test_voxels_that_are_not_finite_are_refused(write_case):
    volume, labels = ramp()
    volume = volume.astype(np.float32)
    volume[1, 0, 0] = np.nan
    raw = raw_set(KiTS19, write_case(volume, labels), test_fraction=0, validation_fraction=0)
    with pytest.raises(InputError, match=r"imaging\.nii\.gz holds voxels that are not finite"):
        read_all(raw)


def test_a_damaged_volume_is_named(write_case):
    root = write_case(*ramp())
    file = root / "case_00000" / "imaging.nii.gz"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(InputError, match=r"imaging\.nii\.gz"):
        read_all(raw_set(KiTS19, root, test_fraction=0, validation_fraction=0))


def test_a_case_without_imaging_is_named(write_case, tmp_path):
    root = write_case(*ramp())
    (root / "case_00000" / "imaging.nii.gz").unlink()
    with pytest.raises(InputError, match=r"case_00000 lacks imaging\.nii\.gz"):
        find_cases(root)


def test_a_wrong_root_is_named(tmp_path):
    with pytest.raises(InputError, match="no case_XXXXX"):
        find_cases(tmp_path)
