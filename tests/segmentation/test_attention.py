"""ORDER's attention image by image, as training on a CPU takes it, against the equations."""

import math

import pytest
import torch

from workflow_src.segmentation.attention import bidirectional_attention, image_by_image


def plain(queries, keys, values_decoder, values_encoder):
    """Eqs. 15 and 16, all images at once."""
    similarity = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5
    to_encoder = similarity.softmax(dim=-2).transpose(-2, -1)
    return similarity.softmax(dim=-1) @ values_encoder, to_encoder @ values_decoder


def inputs(size=1.0, images=3, heads=2, tokens=40, width=8):
    torch.manual_seed(0)
    tensors = torch.randn(4, images, heads, tokens, width)
    tensors[:2] *= size
    return [x.clone().requires_grad_() for x in tensors]


def with_gradients(attend, tensors):
    outputs = attend(*tensors)
    probes = torch.randn(2, *outputs[0].shape, generator=torch.Generator().manual_seed(1))
    loss = sum((p * o).sum() for p, o in zip(probes, outputs, strict=True))
    return [*outputs, *torch.autograd.grad(loss, tensors)]


# At 5 the scores differ by a hundred, which doubles bear and single precision does not; at 300 by
# tens of thousands, and whole columns lie far below the largest of all. There single precision
# would round the scores themselves.
@pytest.mark.parametrize(
    ("size", "precision"), [(1.0, torch.float32), (5.0, torch.float64), (300.0, torch.float64)]
)
def test_image_by_image_it_is_the_same_to_five_digits(size, precision):
    tensors = [x.detach().to(precision).requires_grad_() for x in inputs(size)]
    ours, expected = (
        with_gradients(attend, tensors) for attend in (bidirectional_attention, plain)
    )
    for one, other in zip(ours, expected, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_images_far_apart_in_their_scores_do_not_disturb_one_another():
    tensors = inputs()
    with torch.no_grad():
        for x in tensors[:2]:
            x[1] *= 8  # its sums underflow in single precision
    ours, expected = (
        with_gradients(attend, tensors) for attend in (bidirectional_attention, plain)
    )
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_sums_close_to_underflow_are_exact_too():
    # The last scores lie 55 below the largest: e^-55 is 1e-24, and 1e-26 the least that is trusted.
    tensors = inputs(images=1, heads=1, width=1)
    with torch.no_grad():
        tensors[0][:], tensors[1][:] = 1, 0
        tensors[1][..., :5, :] = 55
    exact = [x.detach().double().requires_grad_() for x in tensors]
    ours, expected = with_gradients(bidirectional_attention, tensors), with_gradients(plain, exact)
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


def test_one_direction_alone_one_token_and_expanded_gradients():
    for tokens in (1, 7):
        for used in (slice(0, 1), slice(1, 2), slice(0, 2)):
            found = [
                torch.autograd.grad(
                    sum(out.sum() for out in attend(*tensors)[used]), tensors, allow_unused=True
                )
                for attend in (bidirectional_attention, plain)
                for tensors in [inputs(tokens=tokens)]
            ]
            for one, other in zip(*found, strict=True):
                other = torch.zeros_like(one) if other is None else other
                torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_an_image_that_is_not_finite_leaves_the_others_alone():
    tensors = inputs()
    with torch.no_grad():
        tensors[0][1] = math.nan
    for found in with_gradients(bidirectional_attention, tensors):
        assert found[[0, 2]].isfinite().all()


def test_without_gradients_it_is_the_same_too():
    tensors = inputs()
    with torch.no_grad():
        torch.testing.assert_close(bidirectional_attention(*tensors), plain(*tensors))


def test_nothing_of_the_size_of_s_is_kept_for_the_gradient():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()), lambda x: x):
        bidirectional_attention(*inputs(images=1, heads=1, tokens=100, width=2))
    assert 0 < sum(kept) < 100 * 100


def test_under_autocast_softmax_is_taken_in_full_precision():
    tensors = [x.detach().bfloat16().requires_grad_() for x in inputs()]
    with torch.autocast("cpu", torch.bfloat16):
        ours = with_gradients(bidirectional_attention, tensors)
    expected = with_gradients(plain, [x.detach().float().requires_grad_() for x in tensors])
    for one, other in zip(ours[:2], expected[:2], strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.float(), other, rtol=0, atol=1e-2)
    for one, other in zip(ours[2:], expected[2:], strict=True):
        torch.testing.assert_close(one.float(), other, rtol=2e-2, atol=2e-2)


def test_the_operator_can_be_compiled():
    # Shapes without data, gradients, and what is changed in place, as compiling relies on.
    tensors = [x.detach().flatten(0, 1).requires_grad_() for x in inputs(tokens=6, width=2)]
    torch.library.opcheck(image_by_image, tensors)
