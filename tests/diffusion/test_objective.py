"""What each method minimises: Equations 2 and 8 to 12, and who learns from which term."""

import copy

import numpy as np
import pytest
import torch
from conftest import changed
from diffusers import UNet2DConditionModel
from torch import tensor
from torch.testing import assert_close

from workflow_src.common.training import moving_average
from workflow_src.diffusion.objective import Objective
from workflow_src.study.configuration import method_settings
from workflow_src.study.loading import load_study
from workflow_src.study.synthesis import ControlNetRecipe

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe_of(method: str, **changes) -> ControlNetRecipe:
    """A method as the paper's configuration describes it, for a small model."""
    recipe = method_settings(load_study([]), method)
    return changed(recipe, **{"hint_channels": (4, 8, 8, 8)} | changes)


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    """A small frozen UNet of random weights."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), cross_attention_dim=16,
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).requires_grad_(False)  # fmt: skip


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Two noisy latents of 4 x 4 with masks and images of 32 x 32."""
    torch.manual_seed(1)
    mask = torch.zeros(2, 1, 32, 32)
    mask[0, 0, 3:14, 5:17] = 1
    mask[1, 0, 20:, :9] = 1
    return {
        "z_t": torch.randn(2, 4, 4, 4),
        "noise": torch.randn(2, 4, 4, 4),
        "t": tensor([10, 700]),
        "alpha_bar": tensor([0.99, 0.1]),
        "text": torch.randn(2, 3, 16),
        "mask": mask,
        "image": torch.rand(2, 3, 32, 32),
    }


def trained_a_little(unet, recipe) -> Objective:
    """An objective off its start, where zero convolutions let nothing through."""
    torch.manual_seed(2)
    objective = Objective(unet, recipe)
    for name, parameter in objective.named_parameters():
        if parameter.abs().max() == 0 and "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return objective


# Eqs. 2, 8, 10 to 12, by hand. Noise is 0; squared, the student's prediction is 4 on the lesion
# and 1, 1, 0 beside it; the teacher's 1, 1, 0, 0; their gap 1, 0, 1, 0. Eq. 3 gives 3/4 and 1/4.
LOSSES = {
    "uniform": 1.5,  # Eq. 2: (4 + 1 + 1 + 0) / 4
    "arsdm": 0.5,  # of absolute values: (3/4 x 2 + 1/4 x 1 + 1/4 x 1) / 4
    "distillation": 1.5375,  # 1.5 + .05 x 0.5 (Eq. 10) + .05 x (3/4 + 1/4) / 4 (Eq. 11)
    "law_delta": 0.9125,  # (3/4 x 4 + 1/4 + 1/4) / 4 + .05 x 0.5 + .05 x (3/4 + 1/4) / 4
    # Normalised, Eq. 7 gives 2 and 2/3: (8 + 2/3 + 2/3) / 4 + .05 x 0.5 + .05 x (2 + 2/3) / 4
    "law_normalised": 2.391667,
    "law_clamped": 2.391667,  # 2 is just the upper bound
    "law": 3.058333,  # and the Dice term of delta = 1/2: 1 - 1 / 3
    "law_no_delta": 2.391667,  # at delta = 1/2 mu is 1
    "min_snr": 0.833333,  # Eq. 2's 1.5 x 5 / 9
}


@pytest.mark.parametrize("method", LOSSES)
def test_each_methods_loss_is_the_one_worked_out_by_hand(unet, method):
    objective = Objective(unet, recipe_of(method))
    student = tensor([[2.0, 1.0], [1.0, 0.0]]).expand(1, 4, 2, 2)
    teacher = tensor([[1.0, 1.0], [0.0, 0.0]]).expand(1, 4, 2, 2)
    objective.predict = lambda batch: (student, teacher if objective.recipe.teacher else None)
    mask = tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    batch = {"noise": torch.zeros(1, 4, 2, 2), "mask": mask, "t": tensor([500])}
    loss, log = objective(batch | {"alpha_bar": tensor([0.9])})  # SNR 9
    assert loss.item() == pytest.approx(LOSSES[method], abs=1e-5)
    assert log["loss"].item() == loss.item()
    assert ("loss_teacher" in log) is (method not in ("uniform", "arsdm", "min_snr"))
    assert ("loss_dice" in log) is (method == "law")


def test_the_terms_are_those_of_a_plain_recomputation(unet, batch):
    recipe = recipe_of("law", beta_teacher=0.3, beta_distillation=0.7, lambda_dice=0.9)
    objective = trained_a_little(unet, recipe)
    loss, log = objective(batch)
    student, teacher = (p.detach().double().numpy() for p in objective.predict(batch))
    noise = batch["noise"].double().numpy()
    m = batch["mask"].double().numpy().reshape(2, 4, 8, 4, 8).mean(axis=(2, 4))
    phi = (
        objective.weightings["law"]
        .phi(torch.cat([tensor(student), tensor(m)[:, None]], dim=1).float())
        .detach()
    )
    delta = 1 / (1 + np.exp(-phi.double().numpy()[:, 0] / 3.0))
    by_hand = np.zeros(4)
    for n in range(2):
        r = m[n].mean()
        w = (m[n] * (1 - r) + (1 - m[n]) * r) * (0.8 + 0.4 * delta[n])
        w = np.clip(w / w.mean(), 0.001, 2.0)
        dice = 1 - 2 * (delta[n] * m[n]).sum() / (delta[n].sum() + m[n].sum())
        by_hand += [
            (w * (student[n] - noise[n]) ** 2).mean() / 2,
            ((teacher[n] - noise[n]) ** 2).mean() / 2,
            (w * (student[n] - teacher[n]) ** 2).mean() / 2,
            dice / 2,
        ]
    names = ("loss_student", "loss_teacher", "loss_distillation", "loss_dice")
    for name, expected in zip(names, by_hand, strict=True):
        assert log[name].item() == pytest.approx(expected, rel=1e-4), name
    assert loss.item() == pytest.approx(by_hand @ [1, 0.3, 0.7, 0.9], rel=1e-4)


# who sees what, and who learns from which term


def gradients(objective, batch) -> dict[str, float]:
    """The size of the loss's gradient in each part."""
    objective.zero_grad()
    objective(batch)[0].backward()
    norms = {name: 0.0 for name, _ in objective.named_children()}
    for name, p in objective.named_parameters():
        norms[name.split(".")[0]] += p.grad.norm().item() if p.grad is not None else 0.0
    return norms


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_both_predictions_are_those_of_diffusers_whole_unet(unet, batch, scale):
    objective = Objective(unet, recipe_of("distillation", teacher_control_scale=scale))
    residuals = []
    for controlnet, hint in (
        (objective.controlnet, batch["mask"].repeat(1, 3, 1, 1)),
        (objective.teacher_controlnet, batch["image"]),
    ):
        for parameter in controlnet.parameters():
            torch.nn.init.normal_(parameter, std=0.1)  # past the zero convolutions
        residuals.append(controlnet(batch["z_t"], batch["t"], batch["text"], hint))
    mask, image = residuals
    down = list(mask.down_block_res_samples), mask.mid_block_res_sample
    both = [a + scale * b for a, b in zip(down[0], image.down_block_res_samples, strict=True)]
    both = both, down[1] + scale * image.mid_block_res_sample
    for found, (skips, middle) in zip(objective.predict(batch), (down, both), strict=True):
        whole = unet(
            batch["z_t"], batch["t"], batch["text"],
            down_block_additional_residuals=skips, mid_block_additional_residual=middle,
        ).sample  # fmt: skip
        assert_close(found, whole, atol=1e-5, rtol=1e-4)


def test_the_student_sees_the_mask_and_the_teacher_the_image_too(unet, batch):
    objective = trained_a_little(unet, recipe_of("distillation", hint_start="preserving"))
    student, teacher = objective.predict(batch)
    other_image = objective.predict(batch | {"image": batch["image"].flip(-1)})
    other_mask = objective.predict(batch | {"mask": batch["mask"].flip(-1)})
    assert_close(other_image[0], student)
    assert not torch.allclose(other_image[1], teacher, atol=1e-4)
    assert not torch.allclose(other_mask[0], student, atol=1e-4)
    assert not torch.allclose(other_mask[1], teacher, atol=1e-4)


def test_no_gradient_reaches_the_teacher_through_the_distillation(unet, batch):
    objective = trained_a_little(unet, recipe_of("distillation", beta_teacher=0.0))
    norms = gradients(objective, batch)
    assert norms["teacher_controlnet"] == norms["teacher_decoder"] == 0.0
    assert norms["controlnet"] > 0 and norms["decoder"] > 0


def test_the_teacher_learns_from_its_own_term(unet, batch):
    norms = gradients(trained_a_little(unet, recipe_of("distillation")), batch)
    assert norms["teacher_controlnet"] > 0 and norms["teacher_decoder"] > 0


@pytest.mark.parametrize("detached", [True, False])
def test_the_dice_term_trains_the_denoiser_only_if_features_are_not_detached(unet, batch, detached):
    recipe = recipe_of("law", detach_features=detached, detach_weights=True)
    objective = trained_a_little(unet, recipe)
    objective.recipe = changed(objective.recipe, lambda_dice=0.0)
    without = gradients(objective, batch)
    objective.recipe = changed(objective.recipe, lambda_dice=1.0)
    with_dice = gradients(objective, batch)
    assert (with_dice["decoder"] == without["decoder"]) is detached
    assert with_dice["weightings"] > 0


@pytest.mark.parametrize("detached", [True, False])
def test_eq8_trains_phi_only_if_weights_are_not_detached(unet, batch, detached):
    objective = trained_a_little(unet, recipe_of("law", detach_weights=detached))
    objective.recipe = changed(objective.recipe, lambda_dice=0.0)
    norms = gradients(objective, batch)
    assert (norms["weightings"] == 0) is detached


def test_the_frozen_encoder_is_neither_trained_nor_saved(unet, batch):
    before = copy.deepcopy(unet.state_dict())
    objective = trained_a_little(unet, recipe_of("law"))
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.1)
    objective(batch)[0].backward()
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())
    assert not any("unet" in name or "down_blocks" in name and "controlnet" not in name
                   for name in objective.state_dict())  # fmt: skip


@pytest.mark.parametrize("train_decoder", [True, False])
def test_a_weight_average_shares_the_frozen_unet(unet, batch, train_decoder):
    objective = trained_a_little(unet, recipe_of("law", train_decoder=train_decoder))
    average = moving_average(objective, 0.9)
    average.update_parameters(objective)
    copied = average.module
    assert copied._unet[0] is unet
    own = {id(p) for p in objective.parameters()} | {id(p) for p in unet.parameters()}
    assert not own & {id(p) for p in copied.parameters()}
    if not train_decoder:
        assert copied._shared_decoder[0].conv_out is unet.conv_out
    assert_close(copied(batch)[0], objective(batch)[0])


def test_a_frozen_unet_of_lower_precision_keeps_it_under_autocast(unet, batch):
    objective = trained_a_little(copy.deepcopy(unet), recipe_of("uniform", train_decoder=False))
    exact, _ = objective.predict(batch)
    frozen = objective._unet[0].bfloat16()
    seen = []
    for part in (frozen.down_blocks[0].resnets[0].norm1, frozen.conv_norm_out):
        part.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = objective.predict(batch)
    assert seen == [torch.bfloat16] * 2 and rounded.dtype == torch.float32
    assert_close(rounded, exact, atol=0.1, rtol=0.1)


def test_without_training_the_decoder_is_the_backbones(unet, batch):
    objective = trained_a_little(unet, recipe_of("distillation", train_decoder=False))
    assert {name for name, _ in objective.named_children()} == {
        "controlnet", "teacher_controlnet", "weightings",
    }  # fmt: skip
    norms = gradients(objective, batch)
    assert norms.pop("weightings") == 0.0 and min(norms.values()) > 0
    assert all(p.grad is None for p in unet.parameters())


def test_a_preserving_start_lets_the_masks_contrast_through(unet, batch):
    contrast = {}
    for start in ("default", "preserving"):
        torch.manual_seed(0)
        recipe = recipe_of("uniform", hint_start=start, hint_channels=(16, 32, 96, 256))
        hint = Objective(unet, recipe).controlnet.controlnet_cond_embedding
        assert (hint.conv_out.weight == 0).all()  # still a zero convolution
        x = torch.nn.functional.silu(hint.conv_in(batch["mask"].expand(-1, 3, -1, -1)))
        for block in hint.blocks:
            x = torch.nn.functional.silu(block(x))
        contrast[start] = x.std(dim=(2, 3)).mean().item()
    assert contrast["preserving"] > 10 * contrast["default"]
