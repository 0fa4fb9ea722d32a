"""EGE-UNet (Ruan et al., 2023): grouped attention and gated bridges; 53,374 parameters.

In training it also returns five auxiliary logit maps, coarsest first, for its deep supervision.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow_src.segmentation.layers import ChannelNorm, initialise_fan_out

EPSILON = 1e-6  # of the layer norms
CHANNELS = (8, 16, 24, 32, 48, 64)


def resize(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


def mixer(conv, channels: int) -> nn.Sequential:
    """Depthwise convolution of width 3, GELU, pointwise convolution."""
    return nn.Sequential(
        conv(channels, channels, 3, padding=1, groups=channels),
        nn.GELU(),
        conv(channels, channels, 1),
    )


class GHPA(nn.Module):
    """Grouped multi-axis Hadamard product attention.

    Three quarters of the channels are multiplied by learned maps over (H, W), (C, H) and (C, W);
    the last quarter passes a depthwise convolution.
    """

    def __init__(self, inside: int, outside: int, side: int = 8):
        super().__init__()
        c = inside // 4
        self.map_xy = nn.Parameter(torch.ones(1, c, side, side))
        self.map_zx = nn.Parameter(torch.ones(1, 1, c, side))
        self.map_zy = nn.Parameter(torch.ones(1, 1, c, side))
        self.mix_xy = mixer(nn.Conv2d, c)
        self.mix_zx, self.mix_zy = mixer(nn.Conv1d, c), mixer(nn.Conv1d, c)
        self.local = nn.Sequential(
            nn.Conv2d(c, c, 1), nn.GELU(), nn.Conv2d(c, c, 3, padding=1, groups=c)
        )
        self.norm_in, self.norm_out = ChannelNorm(inside, EPSILON), ChannelNorm(inside, EPSILON)
        self.project = nn.Sequential(
            nn.Conv2d(inside, inside, 3, padding=1, groups=inside),
            nn.GELU(),
            nn.Conv2d(inside, outside, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x1, x2, x3, x4 = self.norm_in(x).chunk(4, dim=1)
        c = x1.shape[1]
        x1 = x1 * self.mix_xy(resize(self.map_xy, (height, width)))
        over_h = self.mix_zx(resize(self.map_zx, (c, height)).squeeze(0))  # (1, C, H)
        over_w = self.mix_zy(resize(self.map_zy, (c, width)).squeeze(0))  # (1, C, W)
        x2 = x2 * over_h.unsqueeze(3)
        x3 = x3 * over_w.unsqueeze(2)
        joined = torch.cat([x1, x2, x3, self.local(x4)], dim=1)
        return self.project(self.norm_out(joined))


class GAB(nn.Module):
    """Group aggregation bridge: joins a deep and a shallow feature with the mask so far."""

    def __init__(self, deep: int, shallow: int, dilations: tuple[int, ...] = (1, 2, 5, 7)):
        super().__init__()
        size = shallow // 2 + 1
        self.project = nn.Conv2d(deep, shallow, 1)
        self.groups = nn.ModuleList(
            nn.Sequential(
                ChannelNorm(size, EPSILON),
                nn.Conv2d(size, size, 3, padding=d, dilation=d, groups=size),
            )
            for d in dilations
        )
        self.join = nn.Sequential(ChannelNorm(4 * size, EPSILON), nn.Conv2d(4 * size, shallow, 1))

    def forward(self, deep: Tensor, shallow: Tensor, mask: Tensor) -> Tensor:
        deep = resize(self.project(deep), shallow.shape[-2:])
        parts = zip(self.groups, deep.chunk(4, 1), shallow.chunk(4, 1), strict=True)
        return self.join(torch.cat([g(torch.cat([a, b, mask], 1)) for g, a, b in parts], 1))


class EGEUNet(nn.Module):
    """EGE-UNet with deep supervision.

    Args:
        channels: of the six levels.
    """

    stride = 32
    auxiliary_weights = (0.1, 0.2, 0.3, 0.4, 0.5)  # coarsest first

    def __init__(self, channels: tuple[int, ...] = CHANNELS):
        super().__init__()
        a, b, c, d, e, f = channels

        def conv(inside: int, outside: int) -> nn.Conv2d:
            return nn.Conv2d(inside, outside, 3, padding=1)

        self.encoder = nn.ModuleList(
            [conv(3, a), conv(a, b), conv(b, c), GHPA(c, d), GHPA(d, e), GHPA(e, f)]
        )
        self.encoder_norms = nn.ModuleList(nn.GroupNorm(4, n) for n in (a, b, c, d, e))
        self.decoder = nn.ModuleList([GHPA(f, e), GHPA(e, d), GHPA(d, c), conv(c, b), conv(b, a)])
        self.decoder_norms = nn.ModuleList(nn.GroupNorm(4, n) for n in (e, d, c, b, a))
        self.side_heads = nn.ModuleList(nn.Conv2d(n, 1, 1) for n in (e, d, c, b, a))
        self.bridges = nn.ModuleList(map(GAB, (f, e, d, c, b), (e, d, c, b, a)))
        self.head = nn.Conv2d(a, 1, 1)
        self.apply(initialise_fan_out)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        size, x, skips = image.shape[-2:], image, []
        for block, norm in zip(self.encoder[:5], self.encoder_norms, strict=True):
            x = F.gelu(F.max_pool2d(norm(block(x)), 2))
            skips.append(x)
        x = bridged = F.gelu(self.encoder[5](x))
        auxiliary = []
        for level, skip in enumerate(reversed(skips)):
            x = self.decoder_norms[level](self.decoder[level](x))
            x = F.gelu(x if level == 0 else resize(x, skip.shape[-2:]))
            side = self.side_heads[level](x)
            bridged = self.bridges[level](bridged, skip, side)
            x = x + bridged
            auxiliary.append(side)
        logits = resize(self.head(x), size)
        if not self.training:
            return logits
        return logits, [resize(side, size) for side in auxiliary]
