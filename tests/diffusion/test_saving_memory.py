"""What lets a training fit a smaller GPU changes no bit of its result, and fits by count."""

import sys

import pytest
import torch
from conftest import changed
from short_trainings import LAW, UNIFORM, assert_same_result

from workflow_src import train_controlnet
from workflow_src.common.errors import InputError
from workflow_src.diffusion import controlnet
from workflow_src.diffusion.memory import simulated_memory
from workflow_src.diffusion.updating import HostAdamW, new_accelerator
from workflow_src.readiness.gpu_memory import BESIDES, gpu_for, needed
from workflow_src.study.configuration import method_settings
from workflow_src.study.loading import load_study
from workflow_src.study.synthesis import ControlNetRecipe

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"sample_size": 16, "block_out_channels": (32, 64), "cross_attention_dim": 32,
         "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
         "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "attention_head_dim": 4,
         "norm_num_groups": 8}  # fmt: skip


@pytest.fixture(scope="module")
def train(backbone, polyps, latents):
    """A function that trains into a folder and returns the folder."""

    def run(output, recipe):
        train_controlnet.main(backbone, polyps.folder, latents, output, recipe)
        return output

    return run


@pytest.fixture(scope="module")
def plain(train, tmp_path_factory):
    return train(tmp_path_factory.mktemp("plain"), LAW)


@pytest.mark.parametrize(
    "change", [{"gradient_checkpointing": True}, {"optimizer_state": "host"}], ids=str
)
def test_what_saves_memory_changes_no_bit(plain, train, tmp_path, change):
    assert_same_result(plain, train(tmp_path / "out", changed(LAW, **change)))


def test_moments_on_the_host_survive_a_kill(train, tmp_path, monkeypatch):
    recipe = changed(UNIFORM, optimizer_state="host", steps=6)
    draw = controlnet.TrainingData.batch

    def killed(self, step, *rest):
        if step == 5:
            raise KeyboardInterrupt
        return draw(self, step, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(controlnet.TrainingData, "batch", killed)
        train(tmp_path / "stopped", recipe)
    train(tmp_path / "stopped", recipe)
    assert_same_result(train(tmp_path / "whole", recipe), tmp_path / "stopped")


def test_an_overflow_leaves_moments_on_the_host_as_they_were():
    weight = torch.nn.Parameter(torch.ones(4))
    optimizer = HostAdamW([weight], fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for gradient in (1.0, float("inf"), 1.0):
        before = weight.detach().clone()
        weight.grad = None
        scaler.scale((gradient * weight).sum()).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(before, weight) == (gradient != 1.0)
    assert optimizer.state[weight]["exp_avg"].isfinite().all()


def test_bitsandbytes_is_asked_for_where_it_is_not_installed(train, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match="pip install bitsandbytes, or take `optimizer_state"):
        train(tmp_path / "out", changed(UNIFORM, optimizer_state="8bit"))


COUNTED = changed(LAW, hint_channels=(16, 32, 96, 256))


def count(recipe: ControlNetRecipe):
    return simulated_memory(changed(recipe, micro_batch=2), size=128, unet=SMALL)


def test_memory_is_counted_by_hand_where_it_can_be():
    """Weights, and at the least gradients and moments: 4, 4 and 8 bytes a trained weight."""
    recipe = changed(COUNTED, teacher=False, weighting="uniform")
    found = count(recipe)
    from diffusers import UNet2DConditionModel

    from workflow_src.diffusion.objective import Objective

    unet = UNet2DConditionModel(**SMALL).requires_grad_(False)
    objective = Objective(unet, recipe)
    trained = sum(p.numel() for p in objective.parameters())
    weights = 4 * (trained + sum(p.numel() for p in unet.parameters())) / 2**30
    assert found.weights == pytest.approx(weights, rel=0.05)  # and the batch
    assert found.peak > weights + 12 * trained / 2**30


def test_several_gpus_keep_no_second_copy_of_the_gradients():
    accelerator = new_accelerator(changed(LAW, precision="fp32"), cpu=True)
    assert accelerator.ddp_handler.gradient_as_bucket_view


@pytest.fixture(scope="module")
def unsaved():
    """What is filled where nothing saves memory."""
    return count(COUNTED).peak


@pytest.mark.slow
def test_law_of_the_paper_fits_24_gb_where_it_saves_memory():
    recipe = method_settings(load_study([]), "law")
    recipe = changed(recipe, gradient_checkpointing=True, optimizer_state="host")
    peak = simulated_memory(recipe, size=384, images=1450).peak
    assert peak == pytest.approx(needed(recipe, size=384) - BESIDES, rel=0.03)
    assert gpu_for(peak + BESIDES) == 24


@pytest.mark.parametrize(
    "change",
    [
        {"gradient_checkpointing": True},
        {"optimizer_state": "host"},
        {"optimizer_state": "8bit"},
        {"precision": "bf16"},
        {"train_decoder": False},
        {"teacher": False},
    ],
    ids=str,
)
def test_each_way_saves_memory(change, unsaved):
    assert count(changed(COUNTED, **change)).peak < unsaved
