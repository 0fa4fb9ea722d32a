"""diffusers' conditional UNet in two halves, so that teacher and student share its frozen encoder.

`UNet2DConditionModel.forward` runs encoder and decoder in one go. Here the encoder runs once and
each decoder takes what it made; a test holds the two halves equal to the whole.
"""

from dataclasses import dataclass

from diffusers import UNet2DConditionModel
from torch import Tensor, nn


@dataclass
class Encoded:
    """What the UNet's encoder hands to a decoder."""

    time: Tensor  # (B, 4C) time embedding
    skips: tuple[Tensor, ...]
    middle: Tensor
    text: Tensor  # (B, T, D)


def encode(unet: UNet2DConditionModel, z_t: Tensor, t: Tensor, text: Tensor) -> Encoded:
    """Run the UNet's encoder and middle block.

    Args:
        unet: the backbone's UNet.
        z_t: (B, C, h, w) noisy latents.
        t: (B,) timesteps.
        text: (B, T, D) prompt embeddings.
    """
    time = unet.time_embedding(unet.time_proj(t).to(z_t.dtype))
    hidden = unet.conv_in(z_t)
    skips: tuple[Tensor, ...] = (hidden,)
    for block in unet.down_blocks:
        if getattr(block, "has_cross_attention", False):
            hidden, more = block(hidden, time, encoder_hidden_states=text)
        else:
            hidden, more = block(hidden, time)
        skips += more
    middle = unet.mid_block(hidden, time, encoder_hidden_states=text)
    return Encoded(time, skips, middle, text)


class Decoder(nn.Module):
    """The UNet's decoder as a module of its own: it shares the UNet's layers unless copied."""

    def __init__(self, unet: UNet2DConditionModel):
        super().__init__()
        self.up_blocks = unet.up_blocks
        self.conv_norm_out = unet.conv_norm_out
        self.conv_act = unet.conv_act
        self.conv_out = unet.conv_out

    def forward(self, encoded: Encoded, skips: list[Tensor], middle: Tensor) -> Tensor:
        """Predict the noise.

        Args:
            encoded: what the encoder made.
            skips: ControlNet residuals to add to each skip.
            middle: residual to add to the middle block's output.

        Returns:
            (B, C, h, w).
        """
        left = [skip + residual for skip, residual in zip(encoded.skips, skips, strict=True)]
        hidden = encoded.middle + middle
        for block in self.up_blocks:
            count = len(block.resnets)
            taken, left = tuple(left[-count:]), left[:-count]
            size = left[-1].shape[2:] if left else None  # for sides that do not halve evenly
            if getattr(block, "has_cross_attention", False):
                hidden = block(
                    hidden, taken, encoded.time,
                    encoder_hidden_states=encoded.text, upsample_size=size,
                )  # fmt: skip
            else:
                hidden = block(hidden, taken, encoded.time, upsample_size=size)
        return self.conv_out(self.conv_act(self.conv_norm_out(hidden)))
