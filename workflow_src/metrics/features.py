"""Feature extractors for image fidelity: Inception for FID and KID, CLIP for CLIP-I.

Their weights need a download. Where they are not to be had, a stand-in of random convolutions takes
their place; its name says so and goes with every number that it makes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from workflow_src.common.errors import InputError

STAND_IN = "stand-in: random features"
KINDS = ("inception", "clip")
SCALE = 6.0  # brings the stand-in's distances to the order of one


class Extractor(Protocol):
    """Turns images into features."""

    name: str
    resize: str  # how images reach the network, since it changes the numbers

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to (B, D) float32."""
        ...


class RandomConvolutions(nn.Module):
    """Stand-in: a small fixed random network, the same on every machine.

    It tells colours, edges and textures apart but knows nothing of objects: its distances compare
    methods within one study and mean nothing outside it.
    """

    name, resize = STAND_IN, "none"

    def __init__(self, seed: int = 0, dimensions: int = 64):
        super().__init__()
        draws = torch.Generator().manual_seed(seed)
        widths = (3, 32, 64, 96)
        self.kernels = [
            torch.randn(b, a, 3, 3, generator=draws) * (2 / (9 * a)) ** 0.5
            for a, b in zip(widths, widths[1:], strict=False)
        ]
        pooled = 2 * sum(widths[1:])
        self.projection = torch.linalg.qr(torch.randn(pooled, pooled, generator=draws))[0]
        self.dimensions = dimensions

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        x = images.float() / 127.5 - 1
        pooled = []
        for kernel in self.kernels:
            x = nn.functional.leaky_relu(
                nn.functional.conv2d(x, kernel.to(x.device), stride=2, padding=1), 0.2
            )
            pooled += [x.mean(dim=(2, 3)), x.std(dim=(2, 3))]
        joined = torch.cat(pooled, dim=1)
        return SCALE * joined @ self.projection[:, : self.dimensions].to(x.device)


class Inception(nn.Module):
    """Inception-v3 as FID was defined with it, by torch-fidelity.

    Args:
        weights: torch-fidelity's weights-inception-2015-12-05-6726825d.pth.
        device: to run on.
    """

    name, resize = "Inception-v3 (torch-fidelity)", "bilinear to 299, as TensorFlow 1"

    def __init__(self, weights: Path, device: str):
        super().__init__()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        _require(weights, "inception")
        # torch-fidelity unpickles whatever it is given: see first that it is plain tensors.
        with _readable(weights, "inception"):
            torch.load(weights, map_location="cpu", weights_only=True)
            self.network = FeatureExtractorInceptionV3(
                "inception", ["2048"], feature_extractor_weights_path=str(weights)
            ).to(device)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[0].float()


class Clip(nn.Module):
    """Image tower of CLIP ViT-B/32 with OpenAI's weights, by open_clip.

    Args:
        weights: a .safetensors or .pt file of weights.
        device: to run on.
    """

    name, resize = "CLIP ViT-B/32 (OpenAI)", "bicubic to 224, centre crop"

    def __init__(self, weights: Path, device: str):
        super().__init__()
        import open_clip

        _require(weights, "clip")
        # OpenAI's weights need quick GELU; for a path open_clip would not say so.
        with _readable(weights, "clip"):
            model, _, self.preprocess = open_clip.create_model_and_transforms(
                "ViT-B-32-quickgelu", pretrained=str(weights)
            )
        self.model, self.device = model.visual.to(device).eval(), device

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        from PIL import Image

        arrays = images.permute(0, 2, 3, 1).cpu().numpy()
        batch = torch.stack([self.preprocess(Image.fromarray(array)) for array in arrays])
        return self.model(batch.to(self.device)).float()


def _require(weights: Path, key: str) -> None:
    if not weights.is_file():
        raise InputError(
            f"{weights} does not exist: give your own as `metrics.{key}.path`, set that to null to "
            "fetch them, or to stand-in"
        )


@contextmanager
def _readable(weights: Path, key: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of what kind depends on where a reader stumbled
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{weights} is damaged or holds other weights ({reason[:200]}): get it again, give "
            f"another as `metrics.{key}.path`, or set that to null to fetch it"
        ) from error


def make_extractor(kind: str, weights: str, device: str) -> Extractor:
    """An extractor of kind "inception" or "clip"; weights "stand-in" give the stand-in."""
    if weights == "stand-in":
        return RandomConvolutions()
    return {"inception": Inception, "clip": Clip}[kind](Path(weights), device)


def extract(extractor: Extractor, images: np.ndarray, batch: int, device: str) -> np.ndarray:
    """Features (N, D) float32 of images (N, H, W, C) uint8 with C 1 or 3."""
    features = []
    for start in range(0, len(images), batch):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + batch]))
        part = part.permute(0, 3, 1, 2).expand(-1, 3, -1, -1).contiguous()
        features.append(extractor(part.to(device)).cpu())
    return torch.cat(features).numpy()


def features_of(
    images: np.ndarray, inception: str, clip: str, batch: int, device: str
) -> tuple[dict, dict]:
    """Features of images (N, H, W, C) uint8 by kind, and the extractors' names and resizing."""
    features, names = {}, {}
    for kind, weights in zip(KINDS, (inception, clip), strict=True):
        extractor = make_extractor(kind, weights, device)
        features[kind] = extract(extractor, images, batch, device)
        names[kind] = {"extractor": extractor.name, "resize": extractor.resize}
    return features, names
