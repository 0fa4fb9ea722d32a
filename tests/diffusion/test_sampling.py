"""Sampling a set: the same images however the work is cut, and after kills."""

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel

from workflow_src import gather_samples, sample_controlnet
from workflow_src.common.errors import InputError
from workflow_src.data.mask_moves import augmented_mask
from workflow_src.data.prepared import PreparedSet
from workflow_src.data.synthetic import conditioning_masks
from workflow_src.diffusion.sampling import Sampler
from workflow_src.study.synthesis import SamplingRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(**changes) -> SamplingRecipe:
    return SamplingRecipe(**{"steps": 3, "guidance": 3.0, "precision": "fp32"} | changes)


@pytest.fixture
def sample(backbone, controlnet, polyps, tmp_path):
    """A function that samples a shard and returns its folder."""

    def run(name: str, shard: int = 0, shards: int = 1, seed: int = 0, **changes):
        sample_controlnet.main(
            backbone, controlnet, polyps.folder, tmp_path / name, "A polyp.", recipe(**changes),
            seed=seed, shard=shard, shards=shards,
        )  # fmt: skip
        return tmp_path / name

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


def test_a_set_of_other_sizes_is_refused(backbone, controlnet, native_polyps, tmp_path):
    data, output = native_polyps.folder, tmp_path / "out"
    with pytest.raises(InputError, match="has images of size None, but .* multiples of 4: prepare"):
        sample_controlnet.main(backbone, controlnet, data, output, "A polyp.", recipe())


def test_seed_and_mask_both_tell(sample, backbone, controlnet):
    assert abs(images_of(sample("a")) - images_of(sample("b", seed=1))).max() > 10
    masks = np.zeros((2, 32, 32), np.uint8)
    masks[1, 4:26, 4:26] = 1
    for guidance in (1.0, 3.0):
        sampler = Sampler(backbone, controlnet, "A polyp.", recipe(guidance=guidance), "cpu")
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
