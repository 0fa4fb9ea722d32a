"""DINOv2, whose distances follow human judgement better than Inception's (Stein et al. 2023)."""

from pathlib import Path

import torch
from torch import Tensor, nn

from workflow_src.metrics.features import IMAGENET, normalised, readable, resized


class DinoV2(nn.Module):
    """DINOv2 ViT-L/14 by transformers, its class token: what FD-DINOv2 is defined by.

    Args:
        device: to run on.
        weights: model.safetensors of facebook/dinov2-large.
    """

    name, dimensions = "DINOv2 ViT-L/14", 1024
    resize = "bicubic to 224, antialiased"
    source, licence = "transformers; Oquab et al. 2023", "Apache-2.0"

    def __init__(self, device: str, weights: Path):
        super().__init__()
        from safetensors.torch import load_file
        from transformers import Dinov2Config, Dinov2Model

        config = Dinov2Config(
            hidden_size=self.dimensions,
            num_hidden_layers=24,
            num_attention_heads=16,
            patch_size=14,
            image_size=518,
        )
        with readable(weights, "dinov2"):
            with torch.device("meta"):  # drawing what is overwritten would take a minute
                network = Dinov2Model(config)
            network.load_state_dict(load_file(weights), assign=True)
        self.network = network.to(device).eval()

    def forward(self, images: Tensor) -> Tensor:
        pixels = normalised(resized(images, 224), *IMAGENET)
        return self.network(pixels).pooler_output.float()
