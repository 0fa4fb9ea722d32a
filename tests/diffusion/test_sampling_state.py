"""A sampling that goes on: whatever a disk left of its state, it makes the same images."""

from types import SimpleNamespace

import numpy as np
import pytest

from workflow_src import sample_controlnet
from workflow_src.diffusion import sampling
from workflow_src.study.synthesis import SamplingRecipe

RECIPE = SamplingRecipe(batch_size=2)


class Painter:
    """In place of a sampler: fills each image with its number."""

    factor = 4

    def __init__(self, last: int = 99):
        self.last, self.painted = last, []

    def __call__(self, masks, numbers, seed, channels):
        if numbers[0] > self.last:
            raise KeyboardInterrupt
        self.painted += numbers
        shape = (len(numbers), *masks.shape[1:], channels)
        return np.broadcast_to(np.array(numbers, np.uint8)[:, None, None, None], shape)


@pytest.fixture
def sample(polyps, tmp_path, monkeypatch):
    """A function that samples with a painter."""
    (tmp_path / "recipe.json").write_text("{}")
    monkeypatch.setattr(sampling, "check_trained", lambda trained, backbone: None)

    def run(painter: Painter):
        monkeypatch.setattr(sampling, "Sampler", lambda *given: painter)
        sample_controlnet.main(
            tmp_path / "backbone.json", tmp_path, polyps.folder, tmp_path / "shard", "A.", RECIPE
        )
        return painter.painted

    return run


@pytest.fixture
def begun(sample, tmp_path):
    """The state of a sampling that was ended after three batches."""
    with pytest.raises(KeyboardInterrupt):
        sample(Painter(last=5))
    (state,) = (tmp_path / "shard").glob(".state-*")
    return SimpleNamespace(done=state / "done", images=state / "content" / "images.npy")


def all_there(folder) -> bool:
    images = np.load(folder / "images.npy")
    return images.shape[0] == 11 and (images == np.arange(11)[:, None, None, None]).all()


def test_what_was_done_is_kept(begun, sample, tmp_path):
    assert begun.done.read_text() == "6"
    assert sample(Painter()) == list(range(6, 11))
    assert all_there(tmp_path / "shard")


@pytest.mark.parametrize("harm", ["no count", "half a count", "no images", "cut", "other shape"])
def test_a_state_that_was_harmed_is_begun_anew(begun, sample, tmp_path, harm):
    if harm == "no count":
        begun.done.unlink()
    elif harm == "half a count":
        begun.done.write_text("")
    elif harm == "no images":
        begun.images.unlink()
    elif harm == "cut":
        begun.images.write_bytes(begun.images.read_bytes()[:5000])
    else:
        np.save(begun.images, np.zeros((3, 32, 32, 3), np.uint8))
    assert sample(Painter()) == list(range(11))
    assert all_there(tmp_path / "shard")
