"""The UNet in two halves computes what diffusers' whole one does, with a ControlNet and without."""

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch.testing import assert_close

from workflow_src.diffusion.objective import Objective
from workflow_src.diffusion.small import new_denoiser
from workflow_src.diffusion.unet import Decoder, encode
from workflow_src.study.synthesis import ControlNetRecipe, DenoiserRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


def stable_diffusion_like() -> UNet2DConditionModel:
    """Stable Diffusion 1.5's blocks, four levels of two layers, a few channels wide."""
    return UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16, 16, 16), norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=32, attention_head_dim=2,
    )  # fmt: skip


def small() -> UNet2DConditionModel:
    """The backbone that is trained from scratch."""
    return new_denoiser(DenoiserRecipe(widths=(8, 16, 24)), latent_channels=4, side=8)


@pytest.fixture(params=[stable_diffusion_like, small], ids=lambda make: make.__name__)
def unet(request) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return request.param().requires_grad_(False)


def inputs(height: int = 8, width: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(3, 4, height, width), torch.tensor([0, 321, 999]), torch.randn(3, 5, 32)


# 8 x 8 halves evenly; at 12 x 10 the decoder has to be told the sizes to go back to.
@pytest.mark.parametrize("sides", [(8, 8), (12, 10)])
def test_two_halves_make_the_whole(unet, sides):
    z_t, t, text = inputs(*sides)
    encoded = encode(unet, z_t, t, text)
    nothing = [torch.zeros_like(skip) for skip in encoded.skips]
    halves = Decoder(unet)(encoded, nothing, torch.zeros_like(encoded.middle))
    whole = unet(z_t, t, text).sample
    assert whole.std() > 0.01
    assert_close(halves, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sides", [(8, 8), (12, 10)])
def test_residuals_enter_where_diffusers_adds_them(unet, sides):
    z_t, t, text = inputs(*sides)
    encoded = encode(unet, z_t, t, text)
    residuals = [torch.randn_like(skip) for skip in encoded.skips]
    middle = torch.randn_like(encoded.middle)
    halves = Decoder(unet)(encoded, residuals, middle)
    whole = unet(
        z_t, t, text,
        down_block_additional_residuals=residuals, mid_block_additional_residual=middle,
    ).sample  # fmt: skip
    assert (whole - unet(z_t, t, text).sample).abs().max() > 0.01
    assert_close(halves, whole, atol=1e-5, rtol=0)


def test_with_its_controlnet_too(unet):
    z_t, t, text = inputs()
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 8))
    for parameter in controlnet.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # past the zero convolutions
    residuals, middle = controlnet(z_t, t, text, torch.rand(3, 3, 64, 64), return_dict=False)
    whole = unet(
        z_t, t, text,
        down_block_additional_residuals=residuals, mid_block_additional_residual=middle,
    ).sample  # fmt: skip
    halves = Decoder(unet)(encode(unet, z_t, t, text), residuals, middle)
    assert (whole - unet(z_t, t, text).sample).abs().max() > 0.01
    assert_close(halves, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("teacher", [False, True])
def test_at_the_start_student_and_teacher_are_the_plain_unet(unet, teacher):
    z_t, t, text = inputs()
    recipe = ControlNetRecipe(teacher=teacher, hint_channels=(4, 8, 8, 8))
    mask, image = torch.ones(3, 1, 64, 64), torch.rand(3, 3, 64, 64)
    batch = {"z_t": z_t, "t": t, "text": text, "mask": mask, "image": image}
    plain = unet(z_t, t, text).sample
    for prediction in filter(lambda p: p is not None, Objective(unet, recipe).predict(batch)):
        assert_close(prediction, plain, atol=1e-5, rtol=0)


def test_a_trained_decoder_is_a_copy(unet):
    objective = Objective(unet, ControlNetRecipe(teacher=True, hint_channels=(4, 8, 8, 8)))
    ours, theirs = objective.decoder.conv_out, objective.teacher_decoder.conv_out
    assert ours.weight.requires_grad and theirs.weight.requires_grad
    before = unet.conv_out.weight.clone()
    ours.weight.data += 1.0
    assert torch.equal(unet.conv_out.weight, before) and torch.equal(theirs.weight, before)


def test_a_frozen_decoder_is_the_unets_own(unet):
    decoder = Decoder(unet)
    assert decoder.conv_out is unet.conv_out and decoder.up_blocks is unet.up_blocks
    # so that a trained one, loaded into it, is what the whole UNet then computes
    changed = {name: value + 0.1 for name, value in decoder.state_dict().items()}
    z_t, t, text = inputs()
    before = unet(z_t, t, text).sample
    decoder.load_state_dict(changed)
    assert (unet(z_t, t, text).sample - before).abs().max() > 0.01
