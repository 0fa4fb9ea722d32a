"""CLIP's image tower, for CLIP-I and CMMD."""

from pathlib import Path

from torch import Tensor, nn

from workflow_src.metrics.features import normalised, readable, resized

# Of the images that it was trained on, from 0 to 1.
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Clip(nn.Module):
    """Image tower of CLIP ViT-B/32 with OpenAI's weights, by open_clip.

    Args:
        device: to run on.
        weights: a .safetensors or .pt file of weights.
    """

    name, dimensions = "CLIP ViT-B/32 (OpenAI)", 512
    resize = "bicubic to 224, antialiased"
    source, licence = "open_clip; Radford et al. 2021", "MIT"

    def __init__(self, device: str, weights: Path):
        super().__init__()
        import open_clip

        # OpenAI's weights need quick GELU; for a path open_clip would not say so.
        with readable(weights, "clip"):
            model = open_clip.create_model("ViT-B-32-quickgelu", pretrained=str(weights))
        self.network = model.visual.to(device).eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.network(normalised(resized(images, 224), MEAN, DEVIATION)).float()
