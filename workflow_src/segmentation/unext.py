"""UNeXt (Valanarasu & Patel, 2022): convolutions outside, shifted MLPs inside.

1,471,921 parameters. Widths follow the public code (16, 32, 128, 160, 256), not its paper's text.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow_src.segmentation.layers import ChannelNorm, initialise_fan_out, upsample


def shift(x: Tensor, dim: int, reach: int = 2) -> Tensor:
    """Shift five groups of channels of (B, C, H, W) by -2 to 2 along a side, filling with zeros."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (reach,) * 4)
    groups = padded.chunk(2 * reach + 1, dim=1)
    moved = [g.roll(step, dim) for g, step in zip(groups, range(-reach, reach + 1), strict=True)]
    return torch.cat(moved, dim=1)[..., reach : reach + height, reach : reach + width]


class ShiftedBlock(nn.Module):
    """Tokenised MLP that sees its neighbours by shifting: along H, then along W."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1, self.fc2 = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.depthwise = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        y = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = self.fc1(shift(y, 2).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = F.gelu(self.depthwise(y))
        return x + self.fc2(shift(y, 3).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def conv3(inside: int, outside: int) -> nn.Sequential:
    """3 × 3 convolution and batch norm."""
    return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside))


def embed(inside: int, outside: int) -> nn.Sequential:
    """Overlapping patches: a 3 × 3 convolution of stride 2 and a norm."""
    conv = nn.Conv2d(inside, outside, 3, stride=2, padding=1)
    return nn.Sequential(conv, ChannelNorm(outside))


def up(x: Tensor) -> Tensor:
    return F.relu(upsample(x, (2 * x.shape[2], 2 * x.shape[3])))


class UNeXt(nn.Module):
    """UNeXt with additive skips.

    Args:
        widths: channels of the five levels.
    """

    stride = 32

    def __init__(self, widths: tuple[int, int, int, int, int] = (16, 32, 128, 160, 256)):
        super().__init__()
        a, b, c, d, e = widths
        if min(c, d, e) < 17:  # below, not every number falls into five groups
            raise ValueError(f"widths {widths}: the last three must be 17 or more to be shifted")
        self.convs = nn.ModuleList([conv3(3, a), conv3(a, b), conv3(b, c)])
        self.embed1, self.block1, self.norm1 = embed(c, d), ShiftedBlock(d), ChannelNorm(d)
        self.embed2, self.block2, self.norm2 = embed(d, e), ShiftedBlock(e), ChannelNorm(e)
        self.decoder = nn.ModuleList([conv3(e, d), conv3(d, c), conv3(c, b), conv3(b, a)])
        self.block3, self.norm3 = ShiftedBlock(d), ChannelNorm(d)
        self.block4, self.norm4 = ShiftedBlock(c), ChannelNorm(c)
        self.last = nn.Conv2d(a, a, 3, padding=1)
        self.head = nn.Conv2d(a, 1, 1)
        for part in (self.embed1, self.embed2, self.block1, self.block2, self.block3, self.block4):
            part.apply(initialise_fan_out)

    def forward(self, image: Tensor) -> Tensor:
        skips, x = [], image
        for conv in self.convs:
            x = F.relu(F.max_pool2d(conv(x), 2))
            skips.append(x)
        t1, t2, t3 = skips
        t4 = self.norm1(self.block1(self.embed1(x)))
        x = self.norm2(self.block2(self.embed2(t4)))
        x = self.norm3(self.block3(up(self.decoder[0](x)) + t4))
        x = self.norm4(self.block4(up(self.decoder[1](x)) + t3))
        x = up(self.decoder[2](x)) + t2
        x = up(self.decoder[3](x)) + t1
        return self.head(up(self.last(x)))
