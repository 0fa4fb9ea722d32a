"""MK-UNet (Rahman & Marculescu, 2025), the backbone of ORDER.

Its tiny variant has 27,384 parameters. The encoder halves the side five times; its four pooled
outputs before the last are the skips.
Stage i is the level of skip i: stage 0 is the shallowest (side / 2), stage 3 the deepest with a
skip (side / 16), and stage 4 the bottleneck (side / 32).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow_src.segmentation.layers import upsample

TINY = (4, 8, 16, 24, 32)


def conv_bn(inside: int, outside: int, kernel: int = 1, groups: int = 1, act: bool = True):
    """Convolution without bias, batch norm, and ReLU6 where asked."""
    layers = [
        nn.Conv2d(inside, outside, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
    ]
    return nn.Sequential(*layers, *([nn.ReLU6()] if act else []))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of (B, C, H, W) over groups."""
    b, c, h, w = x.shape
    return x.view(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, c, h, w)


class MKIR(nn.Module):
    """Multi-kernel inverted residual block, Eq. 13: x + Proj(Σ_k DWConv_k(Expand(x))).

    Eq. 13 leaves out what the block also has: norms, ReLU6, a channel shuffle before the projection
    and a 1 × 1 shortcut where the width changes.
    """

    def __init__(self, inside: int, outside: int, kernels: tuple[int, ...] = (1, 3, 5)):
        super().__init__()
        wide = 2 * inside
        self.expand = conv_bn(inside, wide)
        self.depthwise = nn.ModuleList(conv_bn(wide, wide, k, groups=wide) for k in kernels)
        self.groups = math.gcd(wide, outside)
        self.project = conv_bn(wide, outside, act=False)
        same = inside == outside
        self.shortcut = nn.Identity() if same else nn.Conv2d(inside, outside, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.expand(x)
        mixed = sum(branch(wide) for branch in self.depthwise)
        # A 1 × 1 convolution of shuffled channels is one with its weights shuffled back, and those
        # are few.
        convolution, norm = self.project
        weight = channel_shuffle(convolution.weight, mixed.shape[1] // self.groups)
        return self.shortcut(x) + norm(F.conv2d(mixed, weight))


class ChannelAttention(nn.Module):
    """Scale each channel by what its mean and its maximum say, as in CBAM."""

    def __init__(self, channels: int, ratio: int = 16):
        super().__init__()
        hidden = channels // min(ratio, channels)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = (x.mean(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True))
        scale = sum(self.excite(F.relu(self.squeeze(p))) for p in pooled)
        return x * torch.sigmoid(scale)


class SpatialAttention(nn.Module):
    """Scale each pixel by what its channels' mean and maximum say, as in CBAM."""

    def __init__(self, kernel: int = 7):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(pooled))


class GroupedAttentionGate(nn.Module):
    """Gate a skip by the decoder's features: two grouped 3 × 3 convolutions and a 1 × 1."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2

        def side() -> nn.Sequential:
            conv = nn.Conv2d(channels, half, 3, padding=1, groups=half)
            return nn.Sequential(conv, nn.BatchNorm2d(half))

        self.gate, self.skip = side(), side()
        self.psi = nn.Sequential(nn.Conv2d(half, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, decoder: Tensor, skip: Tensor) -> Tensor:
        return skip * self.psi(F.relu(self.gate(decoder) + self.skip(skip)))


class MKUNet(nn.Module):
    """MK-UNet with its grouped attention gates.

    Args:
        channels: of the five encoder stages; the default is the tiny variant.
    """

    stride = 32  # height and width must be multiples of it

    def __init__(self, channels: tuple[int, ...] = TINY):
        super().__init__()
        if not 1 <= len(channels) <= 5:
            raise ValueError(f"channels {channels}: one to five stages are possible")
        downwards = (3, *channels)
        self.encoder = nn.ModuleList(map(MKIR, downwards[:-1], downwards[1:]))
        upwards = (*reversed(channels), channels[0])  # 32, 24, 16, 8, 4, 4
        self.decoder = nn.ModuleList(map(MKIR, upwards[:-1], upwards[1:]))
        # Ratios of the public code: hidden widths 2, 1, 1, 1, 1 for the tiny variant.
        ratios = (16, 16, 16, 8, 4)
        self.channel_attention = nn.ModuleList(map(ChannelAttention, upwards[:-1], ratios))
        self.spatial_attention = SpatialAttention()  # one for all five stages
        self.gates = nn.ModuleList(map(GroupedAttentionGate, upwards[1:-1]))
        self.apply(_initialise)
        # The heads come after, and keep PyTorch's weights: what they read is never negative, so
        # that weights drawn small can all turn negative, and then every mask stays empty. Of the
        # public code's heads only the last is read; the others hold 31 parameters without gradient,
        # kept so that counts and published weights agree.
        self.heads = nn.ModuleList(nn.Conv2d(c, 1, 1) for c in upwards[2:])

    def encode(self, x: Tensor) -> list[Tensor]:
        """Skips of the stages 0 to 3, and the bottleneck last."""
        features = []
        for block in self.encoder:
            x = F.max_pool2d(block(x), 2)
            features.append(x)
        return features

    def fuse(self, stage: int, decoder: Tensor, skip: Tensor) -> Tensor:
        """Join decoder features with the gated skip of a stage, both (B, C_i, H_i, W_i)."""
        return decoder + skip

    def forward(self, image: Tensor) -> Tensor:
        *skips, x = self.encode(image)
        for number, block in enumerate(self.decoder):
            x = self.spatial_attention(self.channel_attention[number](x))
            x = block(x)
            x = F.relu(upsample(x, (2 * x.shape[2], 2 * x.shape[3])))
            if skips:
                skip = self.gates[number](x, skips.pop())
                x = self.fuse(len(skips), x, skip)
        return self.heads[-1](x)


def _initialise(module: nn.Module) -> None:
    """Convolutions from N(0, 0.02²), biases zero, as the public code does for all but its heads."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
