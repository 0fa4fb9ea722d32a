"""Image, mask and NIfTI files of any kind: the right result, or one line that names the file."""

import gzip
import io
import struct
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from workflow_src.common.errors import InputError
from workflow_src.data.image_files import read_image
from workflow_src.data.kits19 import KiTS19
from workflow_src.data.masks import read_mask
from workflow_src.data.pairs import read_pair
from workflow_src.study.reading import Reading

READING = Reading(format="kits19", validation_fraction=0).model_dump(
    include={"plane", "window", "target", "slices", "split", "validation_fraction", "split_seed"}
)
SIDES = st.integers(1, 24)
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF", ".bmp": "BMP", ".webp": "WEBP"}
LOSSLESS = (".png", ".tif", ".bmp")
LEVELS = st.sampled_from([0, 1, 2, 100, 127, 128, 200, 254, 255])
AFFINE = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])


def in_one_line(read, path: Path):
    """What is read of a file; None if it is refused in one line that names it."""
    try:
        return read(path)
    except InputError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return None


@st.composite
def images(draw) -> Image.Image:
    """An image of any mode."""
    mode = draw(st.sampled_from(["1", "L", "P", "LA", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB",
                                 "HSV", "I;16", "I", "F", "RGBX"]))  # fmt: skip
    shape = (draw(SIDES), draw(SIDES))
    if mode == "F":
        floats = st.floats(width=32) | st.sampled_from([0.0, 0.5, 1.0, 255.0])
        return Image.fromarray(draw(arrays.arrays(np.float32, shape, elements=floats)))
    if mode == "I":
        return Image.fromarray(draw(arrays.arrays(np.int32, shape)))
    if mode == "I;16":
        return Image.fromarray(draw(arrays.arrays(np.uint16, shape)))
    channels = len(Image.new(mode, (1, 1)).getbands())
    plane = draw(arrays.arrays(np.uint8, (*shape, channels), elements=LEVELS | st.integers(0, 255)))
    if mode == "1":
        return Image.fromarray(plane[..., 0] > 127)
    image = Image.frombytes(mode, shape[::-1], plane.tobytes())
    if mode in ("P", "PA"):
        image.putpalette(draw(st.binary(min_size=768, max_size=768)))
    return image


@st.composite
def files(draw) -> tuple[str, bytes]:
    """A suffix and the content of an image file: saved somehow, then perhaps cut or changed."""
    image, suffix = draw(images()), draw(st.sampled_from(sorted(FORMATS)))
    exif = Image.Exif()
    exif[0x0112] = draw(st.integers(0, 10))
    options: dict = draw(
        st.sampled_from(
            [{}, {"exif": exif}, {"transparency": 0}, {"quality": 30},
             {"compression": "tiff_lzw"}, {"save_all": True, "append_images": [image]}]
        )
    )  # fmt: skip
    packed = io.BytesIO()
    try:
        image.save(packed, FORMATS[suffix], **options)
    except (OSError, ValueError, KeyError, TypeError, struct.error):  # not in this format
        packed = io.BytesIO()
        Image.new("L", image.size, 255).save(packed, FORMATS[suffix])
    content = bytearray(packed.getvalue())
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()) and draw(st.booleans()):
        content = content[: draw(st.integers(0, len(content)))]
    return suffix, bytes(content)


@given(files(), files())
def test_any_file_is_read_or_refused_in_one_line(first, second):
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}{s}" for n, (s, _) in enumerate((first, second))]
        for path, (_, content) in zip(paths, (first, second), strict=True):
            path.write_bytes(content)
            mask, image = in_one_line(read_mask, path), in_one_line(read_image, path)
            if mask is not None:
                assert mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 1}
            if image is not None:
                assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
            assert path.read_bytes() == content
        try:
            image, mask = read_pair(*paths)
            assert image.shape[:2] == mask.shape
        except InputError as error:
            assert "\n" not in str(error) and folder in str(error)


@given(
    arrays.arrays(bool, st.tuples(SIDES, SIDES)),
    st.sampled_from(["1", "L", "RGB", "P", "I;16", "I", "F", "LA", "RGBA", "CMYK"]),
    st.sampled_from(LOSSLESS),
    st.booleans(),
)
def test_a_binary_mask_in_any_mode_is_read_as_drawn(lesion, mode, suffix, labels):
    """Where the format holds the mode; if it is refused, that would be a loss."""
    white = 1 if labels else 255
    grey = Image.fromarray(lesion.astype(np.uint8) * white)
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = Image.fromarray(lesion.astype(kind) * kind(white))
    elif mode == "P":
        image = Image.fromarray(lesion.astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 255, 0, 0])
    else:
        image = grey.convert("RGB").convert(mode) if mode == "CMYK" else grey.convert(mode)
        if mode == "1":
            image = Image.fromarray(lesion)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mask{suffix}"
        try:
            image.save(path)
        except (OSError, ValueError):
            return  # the format does not hold the mode
        np.testing.assert_array_equal(read_mask(path), lesion)


SHORTS = st.integers(-(2**15), 2**15 - 1) | st.integers(0, 8)
TYPES = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1536, 2304]
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "dim": st.lists(SHORTS, min_size=8, max_size=8),
        "datatype": st.sampled_from(TYPES),
        "bitpix": st.sampled_from([0, 1, 8, 16, 32, 64]),
        "scl_slope": st.floats(width=32),
        "scl_inter": st.floats(width=32),
        "vox_offset": st.floats(-1e4, 1e6, width=32),
        "sform_code": st.integers(-1, 5),
        "qform_code": st.integers(-1, 5),
        "srow_x": st.lists(st.floats(width=32), min_size=4, max_size=4),
        "srow_z": st.lists(st.floats(width=32), min_size=4, max_size=4),
        "quatern_b": st.floats(width=32),
        "pixdim": st.lists(st.floats(width=32), min_size=8, max_size=8),
        "magic": st.binary(max_size=4),
        "sizeof_hdr": st.integers(-(2**31), 2**31 - 1) | st.just(540),
    },
)  # fmt: skip


def with_fields(array: np.ndarray, fields: dict) -> bytes:
    image = nib.Nifti1Image(array, AFFINE)
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    return gzip.compress(bytes(content), 1)


@given(FIELDS, FIELDS, st.booleans())
def test_any_nifti_header_is_read_or_refused_in_one_line(fields, labels_fields, same):
    hu = np.full((3, 6, 5), -1000, np.int16)
    hu[:, 1:5, 1:4] = 50
    labels = (hu > 0).astype(np.uint8)
    with tempfile.TemporaryDirectory() as root:
        case = Path(root) / "case_00000"
        case.mkdir()
        (case / "imaging.nii.gz").write_bytes(with_fields(hu, fields))
        both = fields if same else labels_fields
        (case / "segmentation.nii.gz").write_bytes(with_fields(labels, both))
        try:
            raw = KiTS19(Path(root), test_fraction=0, **READING)
            pairs = [pair for rows in raw.groups() for pair in raw.read(rows)]
        except InputError as error:
            assert "\n" not in str(error) and root in str(error)
            return
        for (image, mask), record in zip(pairs, raw.records, strict=True):
            assert image.shape == (record.height, record.width, 1)
            assert mask.shape == image.shape[:2] and set(np.unique(mask)) <= {0, 1}


@given(st.data())
def test_a_damaged_volume_is_read_or_refused_in_one_line(data):
    hu = np.random.default_rng(0).integers(-1000, 1000, (3, 6, 5)).astype(np.int16)
    content = bytearray(with_fields(hu, {}))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as root:
        case = Path(root) / "case_00000"
        case.mkdir()
        (case / "imaging.nii.gz").write_bytes(content)
        (case / "segmentation.nii.gz").write_bytes(with_fields(np.ones_like(hu, np.uint8), {}))
        try:
            raw = KiTS19(Path(root), test_fraction=0, **READING)
            (found,) = (raw.read(rows) for rows in raw.groups())
        except InputError as error:
            assert "\n" not in str(error) and root in str(error)
