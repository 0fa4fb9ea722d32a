"""The weightings: Equations 3 to 7 and 9 against cases worked out by hand, and their edges.

Almost every case is the same 2 x 2 mask with one lesion pixel: r = 1/4.
"""

import pytest
import torch
from pydantic import ValidationError
from torch import tensor
from torch.testing import assert_close

from workflow_src.common.errors import InputError
from workflow_src.diffusion.law import LAW, adaptive_weights, multiplier
from workflow_src.diffusion.noising import noise_schedule
from workflow_src.diffusion.objective import dice_regulariser, make_weighting
from workflow_src.diffusion.weighting import (
    Seen,
    final_weights,
    lesion_ratio,
    mask_at_latent,
    ratio_weights,
)
from workflow_src.study.registries import WEIGHTINGS
from workflow_src.study.synthesis import ControlNetRecipe

MASK = tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
DELTA = tensor([[[[1.0, 0.5], [0.0, 0.25]]]])
BARE = ControlNetRecipe(weighting="law", normalise=False, clamp=False)
STABLE = ControlNetRecipe(weighting="law")


def seen(mask: torch.Tensor, f_t: torch.Tensor | None = None, t: int = 500) -> Seen:
    """What a weighting sees at a timestep of Stable Diffusion's schedule."""
    f_t = torch.zeros(len(mask), 4, *mask.shape[-2:]) if f_t is None else f_t
    steps = torch.full((len(mask),), t)
    return Seen(mask, f_t, steps, noise_schedule().alphas_cumprod[steps].reshape(-1, 1, 1, 1))


def mask_of(r: float, side: int = 10) -> torch.Tensor:
    """A mask whose first r x side^2 pixels are lesion."""
    mask = torch.zeros(side * side)
    mask[: round(r * side * side)] = 1
    return mask.reshape(1, 1, side, side)


def neutral(mask: torch.Tensor) -> torch.Tensor:
    """The delta at which the multiplier is 1."""
    return torch.full_like(mask, 0.5)


def test_eq3_weighs_each_class_by_the_share_of_the_other():
    assert lesion_ratio(MASK).item() == 0.25
    assert_close(ratio_weights(MASK), tensor([[[[0.75, 0.25], [0.25, 0.25]]]]))


def test_eq3_takes_soft_masks_as_mixtures():
    # r = (1 + 0.5) / 4 = 0.375; the half pixel gets 0.5 x 0.625 + 0.5 x 0.375 = 0.5
    soft = tensor([[[[1.0, 0.5], [0.0, 0.0]]]])
    assert_close(ratio_weights(soft), tensor([[[[0.625, 0.5], [0.375, 0.375]]]]))


def test_eq4_is_the_sigmoid_of_phi_over_tau():
    f_t = torch.randn(1, 4, 2, 2)
    for tau, expected in ((3.0, 0.7310586), (1.0, 0.9525741)):  # sigmoid(3 / 3), sigmoid(3)
        law = LAW(ControlNetRecipe(tau=tau), channels=4)
        law.phi[-1].bias.data.fill_(3.0)  # phi is then 3 wherever one looks
        assert_close(law.delta(seen(MASK, f_t)), torch.full((1, 1, 2, 2), expected))


def test_phi_sees_the_prediction_and_the_mask():
    law = LAW(STABLE, channels=4)
    for layer in law.phi[::2]:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    # One path of ones through the middles of the kernels, from the mask, which is the last channel.
    law.phi[0].weight.data[0, 4, 1, 1] = 1.0
    law.phi[2].weight.data[0, 0, 1, 1] = 1.0
    law.phi[4].weight.data[0, 0, 1, 1] = 3.0
    # silu(1) = 0.731059, silu(0.731059) = 0.493489, x 3 / tau = 0.493489, sigmoid = 0.620928
    delta = law.delta(seen(MASK, torch.randn(1, 4, 2, 2)))
    assert_close(delta, tensor([[[[0.620928, 0.5], [0.5, 0.5]]]]), atol=1e-5, rtol=0)
    # The same path from the third channel of the prediction.
    law.phi[0].weight.data.zero_()
    law.phi[0].weight.data[0, 2, 1, 1] = 1.0
    f_t = torch.zeros(1, 4, 2, 2)
    f_t[0, 2, 1, 1] = 1.0
    delta = law.delta(seen(MASK, f_t))
    assert_close(delta, tensor([[[[0.5, 0.5], [0.5, 0.620928]]]]), atol=1e-5, rtol=0)


def test_eq5_turns_delta_into_a_multiplier_within_the_reach_of_gamma():
    assert_close(multiplier(DELTA, 0.2), tensor([[[[1.2, 1.0], [0.8, 0.9]]]]))
    assert_close(multiplier(DELTA, 0.5), tensor([[[[1.5, 1.0], [0.5, 0.75]]]]))


def test_eq6_multiplies_prior_and_multiplier():
    # 0.75 x 1.2, 0.25 x 1, 0.25 x 0.8, 0.25 x 0.9
    expected = tensor([[[[0.9, 0.25], [0.2, 0.225]]]])
    assert_close(adaptive_weights(DELTA, MASK, BARE), expected)


def test_eq7_divides_by_the_mean():
    # The mean of Eq. 6's example is 1.575 / 4 = 0.39375.
    recipe = ControlNetRecipe(weighting="law", clamp=False)
    w = adaptive_weights(DELTA, MASK, recipe)
    assert_close(w, tensor([[[[2.285714, 0.634921], [0.507937, 0.571429]]]]))
    assert_close(w.mean().item(), 1.0)


def test_eq7_clamps_after_dividing():
    w = adaptive_weights(DELTA, MASK, STABLE)
    assert_close(w, tensor([[[[2.0, 0.634921], [0.507937, 0.571429]]]]))


def test_eq7_holds_both_bounds():
    w_adapt = tensor([[[[1.0, 3.0], [0.0, 12.0]]]])  # mean 4
    w = final_weights(w_adapt, normalise=True, bounds=(1e-3, 2.0))
    assert_close(w, tensor([[[[0.25, 0.75], [0.001, 2.0]]]]))
    w = final_weights(w_adapt, normalise=False, bounds=(1e-3, 2.0))
    assert_close(w, tensor([[[[1.0, 2.0], [0.001, 2.0]]]]))


def test_an_image_is_weighed_alone_whatever_its_batch():
    masks = torch.cat([mask_of(0.02), mask_of(0.4), mask_of(0.0)])
    deltas = torch.rand(masks.shape, generator=torch.Generator().manual_seed(0))
    together = adaptive_weights(deltas, masks, STABLE)
    for n in range(3):
        alone = adaptive_weights(deltas[n : n + 1], masks[n : n + 1], STABLE)
        assert_close(together[n : n + 1], alone)


def test_eq7_saturates_at_lesions_below_a_quarter():
    # Normalised, the lesion has 1 / 2r and the background 1 / 2(1 - r).
    for r, lesion, background in ((0.05, 2.0, 0.526316), (0.2, 2.0, 0.625), (0.4, 1.25, 0.833333)):
        mask = mask_of(r)
        w = adaptive_weights(neutral(mask), mask, STABLE)
        assert_close(w[mask == 1].unique(), tensor([lesion]), atol=1e-5, rtol=0)
        assert_close(w[mask == 0].unique(), tensor([background]), atol=1e-5, rtol=0)


def test_a_saturated_lesion_weight_teaches_delta_nothing():
    for r, taught in ((0.05, False), (0.4, True)):
        mask = mask_of(r)
        delta = neutral(mask).requires_grad_()
        adaptive_weights(delta, mask, STABLE)[mask == 1].sum().backward()
        assert bool(delta.grad.abs().max() > 0) is taught


def test_eq9_is_the_soft_dice_of_delta_and_mask():
    # 1 - (2 x 1) / (1.75 + 1) = 0.272727
    assert_close(dice_regulariser(DELTA, MASK), tensor([0.272727]), atol=1e-5, rtol=0)
    # 1 - (2 x 0.5) / (2 + 1) = 0.666667
    assert_close(dice_regulariser(neutral(MASK), MASK), tensor([0.666667]), atol=1e-5, rtol=0)
    assert_close(dice_regulariser(MASK, MASK), tensor([0.0]))


def test_eq9_without_lesion_asks_for_no_delta():
    nothing = torch.zeros_like(MASK)
    assert dice_regulariser(nothing, nothing).item() == 0.0  # eps / eps, not 0 / 0
    assert dice_regulariser(neutral(MASK), nothing).item() == pytest.approx(1.0, abs=1e-5)


def test_eq9_is_taken_of_each_image():
    both = dice_regulariser(torch.cat([MASK, DELTA]), torch.cat([MASK, MASK]))
    assert_close(both, tensor([0.0, 0.272727]), atol=1e-5, rtol=0)


def test_without_a_lesion_the_weights_are_one():
    mask = mask_of(0.0)
    assert (ratio_weights(mask) == 1).all()
    assert (adaptive_weights(neutral(mask), mask, STABLE) == 1).all()


def test_without_background_the_weights_are_one():
    mask = mask_of(1.0)
    assert (ratio_weights(mask) == 1).all()
    assert (adaptive_weights(neutral(mask), mask, STABLE) == 1).all()


@pytest.mark.parametrize("r", [0.0, 1.0])
@pytest.mark.parametrize("recipe", [BARE, STABLE])
def test_at_either_end_neither_weights_nor_gradients_are_nan(r, recipe):
    mask = mask_of(r)
    delta = torch.rand(mask.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    w = adaptive_weights(delta, mask, recipe)
    (w * torch.arange(100.0).reshape(mask.shape)).sum().backward()
    assert w.isfinite().all() and (w > 0.7).all()
    assert delta.grad.isfinite().all()


def one_pixel() -> torch.Tensor:
    """A lesion of a single pixel, off the places that nearest-neighbour resizing looks at."""
    mask = torch.zeros(1, 1, 32, 32)
    mask[0, 0, 13, 21] = 1
    return mask


def test_a_tiny_lesion_does_not_vanish_at_latent_resolution():
    small = mask_at_latent(one_pixel(), (4, 4))
    assert small[0, 0, 1, 2] == 1 / 64 and small.count_nonzero() == 1
    assert lesion_ratio(small) == lesion_ratio(one_pixel())  # averaging keeps r
    w = adaptive_weights(neutral(small), small, STABLE)
    assert w[0, 0, 1, 2] == 2.0
    assert_close(w[0, 0, 0, 0].item(), 0.50049, atol=1e-3, rtol=0)


def test_the_other_ways_to_latent_resolution_do_what_they_say():
    assert mask_at_latent(one_pixel(), (4, 4), "max")[0, 0, 1, 2] == 1
    assert mask_at_latent(one_pixel(), (4, 4), "nearest").sum() == 0  # as public code loses it


def test_a_latent_size_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="32x32 do not divide into latents of 5x5"):
        mask_at_latent(one_pixel(), (5, 5))
    with pytest.raises(ValueError, match="'cubic': area, max or nearest"):
        mask_at_latent(one_pixel(), (4, 4), "cubic")


def test_phi_has_the_papers_size():
    # 3 x 3 kernels over the 4 latent channels and the mask: 5 -> 32 -> 32 -> 1, with biases
    assert (5 * 32 * 9 + 32) + (32 * 32 * 9 + 32) + (32 * 9 + 1) == 11_009
    law = LAW(STABLE, channels=4)
    assert sum(p.numel() for p in law.parameters()) == 11_009
    assert [type(layer).__name__ for layer in law.phi].count("Conv2d") == 3


def test_at_step_0_delta_is_uniform_and_the_weights_are_the_prior():
    mask = torch.cat([mask_of(0.3), mask_of(0.05)])
    delta = LAW(STABLE, channels=4).delta(seen(mask, torch.randn(2, 4, 10, 10) * 5))
    assert (delta == 0.5).all()  # Figure 8's first column
    assert_close(adaptive_weights(delta, mask, BARE), ratio_weights(mask))


def test_phi_learns_from_its_first_step():
    # A last layer of zeros must not hold the layers below at zero for good.
    torch.manual_seed(0)
    law = LAW(STABLE, channels=4)
    optimizer = torch.optim.AdamW(law.parameters(), lr=1e-2)
    f_t, mask = torch.randn(2, 4, 10, 10), torch.cat([mask_of(0.3), mask_of(0.1)])
    for _ in range(60):
        loss = dice_regulariser(law.delta(seen(mask, f_t)), mask).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    delta = law.delta(seen(mask, f_t))
    assert delta[mask == 1].mean() > 2 * delta[mask == 0].mean()


# every weighting of the registry, and those that are not the paper's


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_every_weighting_keeps_the_contract(name):
    """Shapes, finite weights at the edges, and no image that depends on another."""
    torch.manual_seed(0)
    weighting = make_weighting(name, ControlNetRecipe(weighting=name), channels=4)
    for parameter in weighting.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    masks = torch.cat([mask_of(r) for r in (0.0, 0.02, 0.4, 1.0)])
    several = seen(masks, torch.randn(4, 4, 10, 10))

    def weighed(part: Seen) -> tuple[torch.Tensor, torch.Tensor | None]:
        delta = weighting.delta(part) if weighting.has_delta else None
        return weighting(part, delta), delta

    w, delta = weighed(several)
    assert w.shape == masks.shape and w.isfinite().all() and (w >= 0).all()
    assert delta is None or (delta.shape == masks.shape and ((delta > 0) & (delta < 1)).all())
    for n in range(4):
        alone, _ = weighed(Seen(*(value[n : n + 1] for value in several)))
        assert_close(w[n : n + 1], alone)


def test_ratio_clamped_is_law_with_a_neutral_delta():
    mask = torch.cat([mask_of(0.05), mask_of(0.4)])
    weighting = make_weighting("ratio_clamped", ControlNetRecipe(weighting="ratio_clamped"), 4)
    assert_close(weighting(seen(mask), None), adaptive_weights(neutral(mask), mask, STABLE))
    assert not list(weighting.parameters())


def test_min_snr_caps_the_weight_of_steps_of_little_noise():
    recipe = ControlNetRecipe(weighting="min_snr", weighting_options={"gamma": 5.0})
    weighting = make_weighting("min_snr", recipe, channels=4)
    alpha_bar = tensor([0.9, 5 / 6, 0.2])  # SNR 9, 5 and 1/4
    part = seen(MASK.expand(3, -1, -1, -1))._replace(alpha_bar=alpha_bar.reshape(-1, 1, 1, 1))
    w = weighting(part, None)
    assert_close(w[:, 0, 0, 0], tensor([5 / 9, 1.0, 1.0]))
    assert (w == w[:, :, :1, :1]).all()  # the mask has no say


def test_options_that_a_weighting_does_not_have_are_named():
    for options, message in (
        ({"gama": 5.0}, "min_snr has no option 'gama'; allowed: gamma"),
        ({"gamma": 0.0}, "min_snr cannot be built with .*gamma is 0.0: give more than 0"),
    ):
        recipe = ControlNetRecipe(weighting="min_snr", weighting_options=options)
        with pytest.raises(InputError, match=message):
            make_weighting("min_snr", recipe, channels=4)
    with pytest.raises(ValidationError, match="weighting\n  uniform, ratio, .*input_value='lwa'"):
        ControlNetRecipe(weighting="lwa")
