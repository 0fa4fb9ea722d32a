"""Inception-v3, the network that FID and KID are defined by."""

from pathlib import Path

import torch
from torch import Tensor, nn

from workflow_src.metrics.features import readable


class Inception(nn.Module):
    """Inception-v3 as FID was defined with it, by torch-fidelity.

    Args:
        device: to run on.
        weights: torch-fidelity's weights-inception-2015-12-05-6726825d.pth.
    """

    name, dimensions = "Inception-v3", 2048
    resize = "bilinear to 299, as TensorFlow 1"
    source, licence = "torch-fidelity; the weights of Szegedy et al. 2015", "Apache-2.0"

    def __init__(self, device: str, weights: Path):
        super().__init__()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        # torch-fidelity unpickles whatever it is given: see first that it is plain tensors.
        with readable(weights, "inception"):
            torch.load(weights, map_location="cpu", weights_only=True)
            self.network = FeatureExtractorInceptionV3(
                "inception", ["2048"], feature_extractor_weights_path=str(weights)
            ).to(device)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[0].float()
