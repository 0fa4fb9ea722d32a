"""ORDER's attention by fused kernels, as training takes it, against Eqs. 15 and 16."""

import pytest
import torch

from workflow_src.segmentation.attention import bidirectional_attention, from_one_similarity

pytestmark = pytest.mark.usefixtures("one_thread")


def inputs(size=1.0, images=3, heads=2, tokens=40, width=8, precision=torch.float32):
    """Q_d, K_e, V_d and V_e; the size is that of the first two."""
    torch.manual_seed(0)
    tensors = torch.randn(4, images, heads, tokens, width).to(precision)
    tensors[:2] *= size
    return [x.clone().requires_grad_() for x in tensors]


def with_gradients(attend, tensors):
    outputs = attend(*tensors)
    probes = torch.randn(2, *outputs[0].shape, generator=torch.Generator().manual_seed(1))
    loss = sum((p * o).sum() for p, o in zip(probes, outputs, strict=True))
    return [*outputs, *torch.autograd.grad(loss, tensors)]


# At 300 the scores differ by tens of thousands, and single precision rounds the scores themselves.
@pytest.mark.parametrize(
    ("size", "precision"), [(1.0, torch.float32), (5.0, torch.float64), (300.0, torch.float64)]
)
def test_it_is_the_equations_to_five_digits(size, precision):
    tensors = inputs(size, precision=precision)
    ours, expected = (
        with_gradients(attend, tensors) for attend in (bidirectional_attention, from_one_similarity)
    )
    for one, other in zip(ours, expected, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tokens", [1, 7])
@pytest.mark.parametrize("direction", [0, 1])
def test_one_direction_alone_has_its_gradients(tokens, direction):
    found = [
        torch.autograd.grad(
            attend(*tensors)[direction].sum(), tensors, allow_unused=True, materialize_grads=True
        )
        for attend in (bidirectional_attention, from_one_similarity)
        for tensors in [inputs(tokens=tokens)]
    ]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_nothing_of_the_size_of_s_is_kept_for_the_gradient():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()), lambda x: x):
        bidirectional_attention(*inputs(images=1, heads=1, tokens=100, width=2))
    assert 0 < sum(kept) < 100 * 100


def test_under_autocast_it_is_the_equations_to_two_digits():
    tensors = inputs(precision=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        ours = with_gradients(bidirectional_attention, tensors)
    exact = [x.detach().float().requires_grad_() for x in tensors]
    for one, other in zip(ours, with_gradients(from_one_similarity, exact), strict=True):
        torch.testing.assert_close(one.float(), other, rtol=2e-2, atol=2e-2)
