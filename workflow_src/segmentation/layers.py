"""What several segmenters share."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


# An operator of its own, because torch.compile would turn this gradient into additions pixel by
# pixel, which on a CPU take ten times as long as its kernel.
@torch.library.custom_op("segmentation::upsample_gradient", mutates_args=())
def _upsample_gradient(gradient: Tensor, shape: list[int], channels_last: bool) -> Tensor:
    # The kernel is fast where channels lie last in both its tensors, and would take what comes.
    gradient = gradient.contiguous(memory_format=_format(channels_last))
    return torch.ops.aten.upsample_bilinear2d_backward(gradient, gradient.shape[2:], shape, False)


@_upsample_gradient.register_fake
def _(gradient, shape, channels_last):
    return gradient.new_empty(shape).contiguous(memory_format=_format(channels_last))


def _format(channels_last: bool) -> torch.memory_format:
    return torch.channels_last if channels_last else torch.contiguous_format


class _Upsample(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, height: int, width: int) -> Tensor:
        ctx.shape = x.shape
        ctx.channels_last = x.is_contiguous(memory_format=torch.channels_last)
        return F.interpolate(x, (height, width), mode="bilinear")

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _upsample_gradient(gradient, ctx.shape, ctx.channels_last), None, None


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (B, C, H, W) to a size, bilinearly."""
    if x.requires_grad:
        return _Upsample.apply(x, *size)
    return F.interpolate(x, size, mode="bilinear")


def initialise_fan_out(module: nn.Module) -> None:
    """Initialise one module as the public codes of UNeXt and EGE-UNet do.

    Linear layers are drawn with deviation 0.02 and 2D convolutions with variance 2 / fan-out; their
    biases are zero. 1D convolutions, which EGE-UNet alone has, take the fan-out of all groups and
    keep PyTorch's biases.
    """
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    elif isinstance(module, nn.Conv1d):
        fan_out = module.kernel_size[0] * module.out_channels
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        return
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
