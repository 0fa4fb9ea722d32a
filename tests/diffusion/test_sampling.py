"""Sampling: the same images however the work is cut, masks of one's own, and kills."""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import hashed
from diffusers import ControlNetModel
from PIL import Image

from workflow_src import gather_samples, sample_controlnet, train_controlnet
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.data.mask_moves import augmented_mask
from workflow_src.data.prepared import PreparedSet
from workflow_src.data.synthetic import conditioning_masks
from workflow_src.diffusion.sampling import Sampler, check_trained
from workflow_src.study.synthesis import ControlNetRecipe, SamplingRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(**changes) -> SamplingRecipe:
    return SamplingRecipe(**{"steps": 3, "guidance": 3.0, "precision": "fp32"} | changes)


@pytest.fixture(scope="module")
def trained(backbone, polyps, latents, tmp_path_factory):
    """A ControlNet, its zero convolutions opened by hand: in a few steps they would not."""
    settings = ControlNetRecipe(
        steps=2, batch_size=4, micro_batch=4, precision="fp32", hint_channels=(4, 8, 8),
        hint_start="preserving",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("trained")
    train_controlnet.main(backbone, polyps.folder, latents, folder, settings)
    controlnet = ControlNetModel.from_pretrained(folder / "controlnet")
    torch.manual_seed(0)
    opened = [controlnet.controlnet_cond_embedding.conv_out, controlnet.controlnet_mid_block]
    for layer in [*opened, *controlnet.controlnet_down_blocks]:
        torch.nn.init.normal_(layer.weight, std=0.5)
    controlnet.save_pretrained(folder / "controlnet")
    facts = json.loads((folder / "recipe.json").read_text())
    write_json(folder / "recipe.json", facts | hashed(folder, *facts["files"]))
    return folder


@pytest.fixture
def sample(backbone, trained, polyps, tmp_path):
    """A function that samples a shard and returns its folder."""

    def run(name: str, shard: int = 0, shards: int = 1, seed: int = 0, **changes):
        sample_controlnet.main(
            backbone, trained, tmp_path / name, "A polyp.", recipe(**changes), data=polyps.folder,
            seed=seed, shard=shard, shards=shards,
        )  # fmt: skip
        return tmp_path / name

    return run


@pytest.fixture
def sample_masks(backbone, trained, tmp_path):
    """A function that samples from a folder of masks and returns the folder of images."""

    def run(masks, size: int | None = 32):
        output = tmp_path / "synthetic"
        sample_controlnet.main(
            backbone, trained, output, "A polyp.", recipe(batch_size=2), masks=masks, size=size
        )
        return output / "images"

    return run


def images_of(folder) -> np.ndarray:
    return np.load(folder / "images.npy").astype(int)


def test_each_image_is_the_same_whatever_the_batch(sample):
    one, many = images_of(sample("one", batch_size=1)), images_of(sample("many", batch_size=8))
    assert one.shape == (11, 32, 32, 3) and ((one > 0) & (one < 255)).mean() > 0.5
    assert abs(one - many).max() <= 1  # a batch may change the order of sums, by a grey level
    assert abs(one[0] - one[1]).max() > 10


def test_each_image_is_the_same_whatever_the_shard(sample, polyps, tmp_path):
    whole = sample("whole", batch_size=3)
    shards = [sample(f"shard{n}", shard=n, shards=4, batch_size=3) for n in range(4)]
    gather_samples.main(polyps.folder, shards, tmp_path / "set", "uniform")
    joined = PreparedSet(tmp_path / "set")
    assert abs(joined.images.astype(int) - images_of(whole)).max() <= 1
    assert np.array_equal(joined.masks, polyps.masks[polyps.rows("train")])
    assert joined.meta["conditioned_on"] == polyps.meta["sha256"]
    assert joined.meta["splits"] == {"train": 11, "val": 0, "test": 0}


def test_a_missing_shard_is_noticed(sample, polyps, tmp_path):
    shards = [sample(f"shard{n}", shard=n, shards=3) for n in (0, 2)]
    with pytest.raises(InputError, match="do not add up: give all of them, each once"):
        gather_samples.main(polyps.folder, shards, tmp_path / "set", "uniform")


def test_more_images_than_masks_take_each_mask_again_with_new_noise(sample, polyps):
    folder = sample("more", per_mask=1.5)
    images, masks = images_of(folder), np.load(folder / "masks.npy")
    assert len(images) == 16  # 1.5 x 11, rounded to even
    assert np.array_equal(masks[0], masks[11]) and abs(images[0] - images[11]).max() > 10


def test_fewer_images_than_masks_are_spread_over_the_set(sample, polyps, tmp_path):
    shards = [sample(f"few{n}", shard=n, shards=2, per_mask=0.4) for n in range(2)]
    gather_samples.main(polyps.folder, shards, tmp_path / "set", "uniform")
    made, rows = PreparedSet(tmp_path / "set"), polyps.rows("train")
    chosen = rows[[0, 2, 5, 8]]  # 4 of 11, evenly
    assert np.array_equal(made.masks, polyps.masks[chosen])
    assert list(made.index.stem) == [
        f"uniform_TrainDataset_{polyps.index.stem[r]}_0" for r in chosen
    ]
    assert list(conditioning_masks(7, 3)) == [0, 1, 2, 0, 1, 2, 0]
    assert list(conditioning_masks(5, 3)) == [0, 1, 2, 0, 1]


def test_shards_are_joined_without_loading_them(sample, polyps, tmp_path, monkeypatch):
    shards, loaded = [sample(f"shard{n}", shard=n, shards=2) for n in range(2)], []
    real = np.load

    def load(file, mmap_mode=None):
        loaded.append((file.stem, mmap_mode))
        return real(file, mmap_mode)

    monkeypatch.setattr(np, "load", load)
    gather_samples.main(polyps.folder, shards, tmp_path / "set", "uniform")
    assert {("images", "r"), ("masks", "r")} < set(loaded)
    assert not {("images", None), ("masks", None)} & set(loaded)


def test_memory_that_is_too_small_names_the_batch_size(sample, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ControlNetModel, "forward", full)
    with pytest.raises(InputError, match="too small for 8 images at once: lower `batch_size`"):
        sample("none", batch_size=8)


def test_a_set_of_other_sizes_is_refused(backbone, trained, native_polyps, tmp_path):
    arguments = (backbone, trained, tmp_path / "out", "A polyp.", recipe())
    with pytest.raises(InputError, match="has images of size None, but .* multiples of 4: prepare"):
        sample_controlnet.main(*arguments, data=native_polyps.folder)


def test_seed_and_mask_both_tell(sample, backbone, trained):
    assert abs(images_of(sample("a")) - images_of(sample("b", seed=1))).max() > 10
    masks = np.zeros((2, 32, 32), np.uint8)
    masks[1, 4:26, 4:26] = 1
    for guidance in (1.0, 3.0):
        sampler = Sampler(backbone, trained, "A polyp.", recipe(guidance=guidance), "cpu")
        empty, lesion = sampler(masks, [5, 5], seed=0, channels=3).astype(int)
        assert abs(empty - lesion).max() > 10
        grey = sampler(masks, [5, 5], seed=0, channels=1)
        assert grey.shape == (2, 32, 32, 1)


def test_a_killed_sampling_keeps_what_was_done(sample, monkeypatch):
    whole = images_of(sample("whole", batch_size=2))
    calls = []

    def call(self, masks, numbers, *rest, original=Sampler.__call__):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(numbers)
        return original(self, masks, numbers, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Sampler, "__call__", call)
        sample("killed", batch_size=2)
    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "__call__", call)
        folder = sample("killed", batch_size=2)
    assert calls == [[6, 7], [8, 9], [10]]
    assert np.array_equal(images_of(folder), whole)
    assert not list(folder.glob(".state-*"))


def test_a_kill_while_the_result_moves_does_not_block_the_next_run(sample, monkeypatch):
    whole = images_of(sample("whole"))

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("workflow_src.common.resumable.shutil.rmtree", kill)  # after the move
        sample("killed")
    folder = sample("killed")
    assert np.array_equal(images_of(folder), whole)


def test_augmented_masks_move_but_keep_their_lesion(polyps):
    masks = np.array(polyps.masks[:6])
    moved = [augmented_mask(mask, n, 0) for n, mask in enumerate(masks)]
    for n, (mask, other) in enumerate(zip(masks, moved, strict=True)):
        assert set(np.unique(other)) <= {0, 1} and 0.5 * mask.sum() < other.sum()
        assert np.array_equal(other, augmented_mask(mask, n, 0))
    assert not np.array_equal(np.stack(moved), masks)
    assert augmented_mask(np.zeros((8, 8), np.uint8), 0, 0).sum() == 0


def test_augmented_masks_are_kept_with_their_images(sample, polyps):
    part = np.load(sample("part", shard=1, shards=2, masks="augmented") / "masks.npy")
    whole = np.load(sample("whole", masks="augmented") / "masks.npy")
    assert np.array_equal(part, whole[1::2])
    assert not np.array_equal(whole, polyps.masks[polyps.rows("train")])


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
    with pytest.raises(InputError, match="--size 30 is not a multiple of 4"):
        sample_masks(masks, size=30)
    with pytest.raises(InputError, match="--masks needs --size"):
        sample_masks(masks, size=None)


def test_a_folder_without_a_trained_method_is_named(backbone, trained, tmp_path):
    with pytest.raises(InputError, match="holds no trained ControlNet: it lacks controlnet/"):
        check_trained(tmp_path, backbone)
    (tmp_path / "controlnet").mkdir()
    with pytest.raises(FileNotFoundError, match=r"recipe\.json"):
        check_trained(tmp_path, backbone)
    shutil.copy(trained / "controlnet" / "config.json", tmp_path / "controlnet")
    with pytest.raises(InputError, match="controlnet holds no usable ControlNetModel .* again"):
        Sampler(backbone, tmp_path, "A polyp.", recipe(), "cpu")


@pytest.mark.parametrize("name", ["decoder.safetensors", "controlnet/config.json"])
def test_what_a_training_left_is_opened_only_as_it_was(backbone, trained, tmp_path, name):
    folder = shutil.copytree(trained, tmp_path / "copy")
    check_trained(folder, backbone)
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} was changed or damaged"):
        check_trained(folder, backbone)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        check_trained(folder, backbone)


def test_another_backbone_than_the_trainings_is_refused(backbone, trained, tmp_path):
    other = shutil.copytree(backbone.parent, tmp_path / "other")
    facts = json.loads((other / "backbone.json").read_text())
    write_json(other / "backbone.json", facts | {"seed": 1})
    with pytest.raises(InputError, match="was trained on another backbone than"):
        check_trained(trained, other / "backbone.json")
