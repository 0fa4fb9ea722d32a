"""Sampling from a folder of masks, by a trained method that is whole and its backbone's."""

import json
import shutil

import pytest
from PIL import Image

from workflow_src import paint_masks
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.diffusion.sampling import Sampler, check_trained
from workflow_src.study.synthesis import SamplingRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(**changes) -> SamplingRecipe:
    return SamplingRecipe(**{"steps": 3, "guidance": 3.0, "precision": "fp32"} | changes)


@pytest.fixture
def sample_masks(backbone, controlnet, tmp_path):
    """A function that samples from a folder of masks and returns the folder of images."""

    def run(masks, size: int = 32):
        output = tmp_path / "synthetic"
        paint_masks.main(
            backbone, controlnet, masks, output, "A polyp.", recipe(batch_size=2), size
        )
        return output / "images"

    return run


def test_masks_of_ones_own_are_sampled(sample_masks, pair_folder, tmp_path):
    names = {"b.png": (40, 56), "a.JPG": (32, 32), "c.tif": (64, 20)}
    images = sample_masks(pair_folder("own", {}, names) / "masks")
    assert sorted(path.name for path in images.iterdir()) == ["a.png", "b.png", "c.png"]
    for path in images.iterdir():
        with Image.open(path) as image:
            assert image.size == (32, 32) and image.mode == "RGB"
    (tmp_path / "own/masks/b.png").unlink()
    again = sample_masks(tmp_path / "own/masks")  # in place of the first ones
    assert sorted(path.name for path in again.iterdir()) == ["a.png", "c.png"]


def test_a_call_that_ends_early_leaves_no_half_of_its_images(
    sample_masks, pair_folder, tmp_path, monkeypatch
):
    def stops(sampler, masks, numbers, seed, channels):
        if numbers[0]:
            raise KeyboardInterrupt
        return real(sampler, masks, numbers, seed, channels)

    real = Sampler.__call__
    monkeypatch.setattr(Sampler, "__call__", stops)
    masks = pair_folder("own", {}, {f"{n}.png": (32, 32) for n in "abc"}) / "masks"
    with pytest.raises(KeyboardInterrupt):
        sample_masks(masks)
    assert not list((tmp_path / "synthetic").rglob("*.png"))


def test_images_are_not_mixed_with_other_files(sample_masks, pair_folder, tmp_path):
    masks = pair_folder("own", {}, {"a.png": (32, 32)}) / "masks"
    (tmp_path / "synthetic").mkdir()
    (tmp_path / "synthetic/mine.png").touch()
    with pytest.raises(InputError, match="--output .* holds .*, which this workflow did not"):
        sample_masks(masks)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (("a.npy", b"\x93NUMPY"), r"holds no image: expected files named \*\.bmp \*\.jpeg"),
        (("a.png", b"no picture"), r"a\.png is not a readable image"),
        (None, "is not a folder: give the folder that holds the image files"),
    ],
)
def test_masks_of_the_wrong_kind_end_in_one_line(sample_masks, tmp_path, file, words):
    masks = tmp_path / "masks"
    if file:
        masks.mkdir()
        (masks / file[0]).write_bytes(file[1])
    with pytest.raises(InputError, match=words) as raised:
        sample_masks(masks)
    assert str(masks) in str(raised.value) and "\n" not in str(raised.value)


def test_a_size_that_the_model_cannot_make_is_refused(sample_masks, pair_folder):
    masks = pair_folder("own", {}, {"a.png": (32, 32)}) / "masks"
    for size in (30, 0):
        with pytest.raises(InputError, match=f"--size {size} is not a multiple of 4"):
            sample_masks(masks, size=size)


def test_a_folder_without_a_trained_method_is_named(backbone, controlnet, tmp_path):
    with pytest.raises(InputError, match="holds no trained ControlNet: it lacks controlnet/"):
        check_trained(tmp_path, backbone)
    (tmp_path / "controlnet").mkdir()
    with pytest.raises(FileNotFoundError, match=r"recipe\.json"):
        check_trained(tmp_path, backbone)
    shutil.copy(controlnet / "controlnet" / "config.json", tmp_path / "controlnet")
    with pytest.raises(InputError, match="controlnet holds no usable ControlNetModel .* again"):
        Sampler(backbone, tmp_path, "A polyp.", recipe(), "cpu")


@pytest.mark.parametrize("name", ["decoder.safetensors", "controlnet/config.json"])
def test_what_a_training_left_is_opened_only_as_it_was(backbone, controlnet, tmp_path, name):
    folder = shutil.copytree(controlnet, tmp_path / "copy")
    check_trained(folder, backbone)
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} was changed or damaged"):
        check_trained(folder, backbone)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        check_trained(folder, backbone)


def test_another_backbone_than_the_trainings_is_refused(backbone, controlnet, tmp_path):
    other = shutil.copytree(backbone.parent, tmp_path / "other")
    facts = json.loads((other / "backbone.json").read_text())
    write_json(other / "backbone.json", facts | {"seed": 1})
    with pytest.raises(InputError, match="was trained on another backbone than"):
        check_trained(controlnet, other / "backbone.json")
