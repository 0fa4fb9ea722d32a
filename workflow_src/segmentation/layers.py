"""What several segmenters share."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Upsample(torch.autograd.Function):
    """Bilinear resizing whose gradient is one kernel, compiled or not.

    torch.compile would turn the gradient into additions pixel by pixel, which on a CPU take ten
    times as long as its kernel; and the kernel is fast where channels lie last in both its tensors.
    """

    @staticmethod
    def forward(ctx, x: Tensor, height: int, width: int) -> Tensor:
        ctx.shape = x.shape
        last = x.is_contiguous(memory_format=torch.channels_last)
        ctx.format = torch.channels_last if last else torch.contiguous_format
        return F.interpolate(x, (height, width), mode="bilinear")

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradient.contiguous(memory_format=ctx.format)
        sizes = gradient.shape[-2:], ctx.shape
        return torch.ops.aten.upsample_bilinear2d_backward(gradient, *sizes, False), None, None


def upsample(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, C, H, W) to a size, bilinearly."""
    if x.requires_grad:
        return _Upsample.apply(x, *size)
    return F.interpolate(x, size, mode="bilinear")


def initialise_fan_out(module: nn.Module) -> None:
    """Convolutions by their fan-out, linear layers with deviation 0.02, as the public codes do."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, (nn.Conv1d, nn.Conv2d)):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
