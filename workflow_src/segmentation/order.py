"""ORDER: MK-UNet with selective bidirectional skip attention, Equations 14 to 17 of the paper.

What the paper leaves open, and what is chosen here (42,442 parameters and 0.543 GFLOPs at 256²,
against the paper's 42K and 0.56): 3 × 3 projections to 32 channels; tokens pooled to a fixed grid
of 32 × 32, since at full resolution S alone would exceed the paper's whole budget; a 1 × 1 output
projection back to the stage's channels, zero at first, so that training starts as MK-UNet; the
skip passes MK-UNet's gate before it attends.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow_src.segmentation.attention import bidirectional_attention
from workflow_src.segmentation.layers import upsample
from workflow_src.segmentation.mkunet import TINY, MKUNet


class BidirectionalSkipAttention(nn.Module):
    """Attention between decoder features d_i and skip e_i in both directions.

    Args:
        channels: C_i of the stage.
        width: channels of Q, K and V.
        grid: side of the token grid; a smaller stage attends at its own size.
        heads: the width is divided among them.
    """

    def __init__(self, channels: int, width: int = 32, grid: int = 32, heads: int = 1):
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"width {width} does not divide among {heads} heads")
        if grid < 1:
            raise ValueError(f"grid {grid}: at least one token a side is needed")
        self.grid, self.heads = grid, heads

        def project() -> nn.Conv2d:
            return nn.Conv2d(channels, width, 3, padding=1)

        self.query, self.key = project(), project()
        self.value_decoder, self.value_encoder = project(), project()
        self.out_decoder = nn.Conv2d(width, channels, 1)
        self.out_encoder = nn.Conv2d(width, channels, 1)
        self.confidence = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.ReLU(), nn.Linear(channels, 1), nn.Sigmoid()
        )
        for out in (self.out_decoder, self.out_encoder):
            for parameter in out.parameters():
                nn.init.zeros_(parameter)

    def forward(self, decoder: Tensor, encoder: Tensor) -> tuple[Tensor, Tensor]:
        """Eqs. 14 to 17.

        Args:
            decoder: d_i, (B, C_i, H_i, W_i).
            encoder: e_i, likewise.

        Returns:
            d'_i and e'_i, likewise.
        """
        size = (decoder.shape[-2], decoder.shape[-1])
        grid = (min(self.grid, size[0]), min(self.grid, size[1]))
        d, e = F.adaptive_avg_pool2d(decoder, grid), F.adaptive_avg_pool2d(encoder, grid)

        def tokens(x: Tensor) -> Tensor:
            return x.unflatten(1, (self.heads, -1)).flatten(3).transpose(2, 3)

        delta_decoder, delta_encoder = bidirectional_attention(  # Eqs. 15, 16
            tokens(self.query(d)),  # Eq. 14
            tokens(self.key(e)),
            tokens(self.value_decoder(d)),
            tokens(self.value_encoder(e)),
        )

        def image(x: Tensor) -> Tensor:
            x = x.transpose(2, 3).flatten(1, 2).unflatten(2, grid)
            return upsample(x, size)

        pooled = torch.cat([decoder.mean(dim=(2, 3)), encoder.mean(dim=(2, 3))], dim=1)
        c = self.confidence(pooled)[:, :, None, None]
        return (
            decoder + c * self.out_decoder(image(delta_decoder)),  # Eq. 17
            encoder + c * self.out_encoder(image(delta_encoder)),
        )


class ORDER(MKUNet):
    """MK-UNet with bidirectional skip attention at some stages.

    Args:
        stages: which stages attend: 0 is the shallowest skip (side / 2), 3 the deepest; 4 names the
            bottleneck, which has no skip and attends to itself.
        width: channels of Q, K and V.
        grid: side of the token grid.
        heads: attention heads.
        channels: of MK-UNet.
    """

    def __init__(
        self,
        stages: tuple[int, ...] = (0, 1),
        width: int = 32,
        grid: int = 32,
        heads: int = 1,
        channels: tuple[int, ...] = TINY,
    ):
        super().__init__(channels)
        if not set(stages) <= set(range(len(channels))):
            raise ValueError(f"stages {stages}: each must be one of 0 to {len(channels) - 1}")
        self.attention = nn.ModuleDict(
            {
                str(stage): BidirectionalSkipAttention(channels[stage], width, grid, heads)
                for stage in sorted(stages)
            }
        )

    def encode(self, x: Tensor) -> list[Tensor]:
        *skips, bottleneck = super().encode(x)
        last = str(len(skips))
        if last in self.attention:
            decoder, encoder = self.attention[last](bottleneck, bottleneck)
            bottleneck = decoder + encoder - bottleneck
        return [*skips, bottleneck]

    def fuse(self, stage: int, decoder: Tensor, skip: Tensor) -> Tensor:
        """The fused skip d'_i + e'_i, or d_i + e_i where the stage does not attend."""
        if str(stage) in self.attention:
            decoder, skip = self.attention[str(stage)](decoder, skip)
        return decoder + skip
