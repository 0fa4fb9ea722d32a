"""Settings of a ControlNet training that must run, and wrong ones that must end in one line."""

import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from conftest import changed
from PIL import Image
from safetensors.torch import load_file

from workflow_src import cache_latents, train_controlnet
from workflow_src.common.errors import InputError
from workflow_src.diffusion.controlnet import passes_per_step
from workflow_src.study.synthesis import ControlNetRecipe

pytestmark = pytest.mark.usefixtures("one_thread")

UNIFORM = ControlNetRecipe(
    steps=4, batch_size=4, micro_batch=2, learning_rate=1e-3, precision="fp32",
    hint_channels=(4, 8, 8), log_every=1,
)  # fmt: skip


@pytest.fixture
def train(backbone, polyps, latents, tmp_path):
    """A function that trains and returns the folder and the log."""

    def run(recipe: ControlNetRecipe, seed: int = 0, cache=latents, data=polyps):
        output = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        train_controlnet.main(backbone, data.folder, cache, output, recipe, seed)
        return output, pd.read_csv(output / "log.csv")

    return run


@pytest.fixture
def other_precision():
    """Let accelerate, which fixes the precision once per process, choose another, and go back."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


def test_the_seed_decides_the_run(train):
    logs = [train(UNIFORM, seed)[1] for seed in (3, 3, 4)]
    assert logs[0].equals(logs[1]) and not logs[0].equals(logs[2])


def test_the_warm_up_and_the_clip_hold_the_weights_back(train, backbone):
    def moved(**changes) -> float:
        output, log = train(changed(UNIFORM, steps=1, weight_decay=0.0, **changes))
        ours = load_file(output / "decoder.safetensors")["conv_out.bias"]
        unet = load_file(backbone.parent / "unet" / "diffusion_pytorch_model.safetensors")
        return (ours - unet["conv_out.bias"]).abs().max().item()

    # Adam's first step is the learning rate, whatever the gradient.
    assert moved() == pytest.approx(1e-3, rel=0.01)
    assert moved(warmup=10) == pytest.approx(1e-4, rel=0.01)
    assert moved(gradient_clip=0.0) == pytest.approx(1e-3, rel=0.01)


def test_previews_are_drawn_and_change_nothing_else(train):
    plain, _ = train(UNIFORM)
    seen, _ = train(changed(UNIFORM, preview_every=2))
    grids = [Image.open(seen / f"preview_{step:06d}.png") for step in (2, 4)]
    assert {grid.size for grid in grids} == {(8 * 32, 2 * 32)}  # eight masks above their images
    assert not (seen / "preview").exists()
    ours, theirs = (load_file(folder / "decoder.safetensors") for folder in (seen, plain))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_bf16_trains_every_method_and_keeps_float32_weights(train, other_precision):
    for changes in ({}, {"weighting": "law", "teacher": True, "lambda_dice": 1.0, "ema": 0.9}):
        output, log = train(changed(UNIFORM, precision="bf16", **changes))
        assert list(log.step) == [1, 2, 3, 4]
        weights = load_file(output / "decoder.safetensors")
        assert {value.dtype for value in weights.values()} == {torch.float32}


def test_an_infinite_gradient_that_is_not_skipped_stops(train, monkeypatch):
    monkeypatch.setattr(Accelerator, "clip_grad_norm_", lambda *args: torch.tensor(float("inf")))
    with pytest.raises(FloatingPointError, match="step 1 is not finite .*'grad_norm': inf"):
        train(UNIFORM)


def test_a_batch_that_does_not_divide_is_refused(train):
    with pytest.raises(
        InputError, match="batch_size 4 is not a multiple of micro_batch 3 x 1 proc"
    ):
        train(changed(UNIFORM, micro_batch=3))
    assert passes_per_step(ControlNetRecipe(), processes=2) == 4  # 32 = 4 passes x 4 x 2
    with pytest.raises(InputError, match="x 3 process"):
        passes_per_step(ControlNetRecipe(), processes=3)


def test_a_hint_encoder_of_the_wrong_depth_is_refused(train):
    with pytest.raises(InputError, match=r"hint_channels has 2 entries, .* 32 / 2 pixels, .* of 8"):
        train(changed(UNIFORM, hint_channels=(4, 8)))


def test_latents_of_another_set_are_refused(train, polyps, backbone, polyps_raw, tmp_path):
    from workflow_src import prepare_data
    from workflow_src.data.prepared import PreparedSet

    reading = prepare_data.Reading(split_seed=1)
    prepare_data.main(polyps_raw, tmp_path / "other", reading, size=32)
    with pytest.raises(InputError, match="cached from another prepared set .* cache them again"):
        train(UNIFORM, data=PreparedSet(tmp_path / "other"))


def test_a_folder_without_latents_is_said_with_the_remedy(train, tmp_path):
    with pytest.raises(InputError, match="holds no cached latents: make them with"):
        train(UNIFORM, cache=tmp_path)


def test_a_cache_needs_one_model_to_encode_with(polyps, backbone, tmp_path):
    with pytest.raises(InputError, match="either --backbone or --autoencoder"):
        cache_latents.main(polyps.folder, tmp_path, "A polyp.")


def test_memory_that_is_too_small_is_said_with_the_remedy(train, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("workflow_src.diffusion.objective.Objective.predict", full)
    with pytest.raises(InputError, match="2 images at once: .* or lower `micro_batch`"):
        train(UNIFORM)


def test_memory_that_is_too_small_for_gradients_is_said_too(train, monkeypatch):
    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate ...")

    monkeypatch.setattr(Accelerator, "backward", full)
    with pytest.raises(InputError, match="2 images at once: .* or lower `micro_batch` .batch_size"):
        train(UNIFORM)


def test_weights_that_nothing_would_train_are_refused(train):
    recipe = changed(UNIFORM, weighting="law", detach_weights=True)
    with pytest.raises(InputError, match="nothing trains the weights of law: set `lambda_dice`"):
        train(recipe)
    train(changed(recipe, lambda_dice=0.1))
