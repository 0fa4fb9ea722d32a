"""Layers rewritten for speed, against what they stand for."""

import pytest
import torch
import torch.nn.functional as F

from workflow_src.segmentation.layers import upsample
from workflow_src.segmentation.mkunet import MKIR, channel_shuffle

FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("size", [(14, 10), (9, 16)])
def test_upsampling_and_its_gradient_are_those_of_torch(memory_format, size):
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64).contiguous(memory_format=memory_format)
    x.requires_grad_()
    torch.testing.assert_close(upsample(x, size), F.interpolate(x, size, mode="bilinear"))
    assert torch.autograd.gradcheck(lambda x: upsample(x, size), x)
    gradient = torch.randn(2, 3, *size, dtype=torch.float64)
    (ours,) = torch.autograd.grad(upsample(x, size), x, gradient)
    (theirs,) = torch.autograd.grad(F.interpolate(x, size, mode="bilinear"), x, gradient)
    torch.testing.assert_close(ours, theirs)
    assert ours.is_contiguous(memory_format=memory_format)


def test_upsampling_can_be_compiled_for_any_size():
    compiled = torch.compile(lambda x: upsample(x, (2 * x.shape[2], 9)), backend="aot_eager")
    for count, side in ((2, 4), (2, 6), (3, 5)):
        x = torch.randn(count, 3, side, side, requires_grad=True)
        (expected,) = torch.autograd.grad(upsample(x, (2 * side, 9)).exp().sum(), x)
        (found,) = torch.autograd.grad(compiled(x).exp().sum(), x)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("inside", "outside"), [(3, 4), (16, 24), (24, 32), (4, 4)])
def test_the_projection_takes_shuffled_channels(inside, outside):
    block = MKIR(inside, outside).eval()
    x = torch.randn(2, inside, 8, 8)
    wide = block.expand(x)
    mixed = sum(branch(wide) for branch in block.depthwise)
    expected = block.shortcut(x) + block.project(channel_shuffle(mixed, block.groups))
    torch.testing.assert_close(block(x), expected)
