"""A trained segmenter, ready to predict images of any size."""

from pathlib import Path
from textwrap import shorten

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from workflow_src.common.errors import InputError
from workflow_src.common.json_files import facts_of
from workflow_src.common.registry import place_of
from workflow_src.common.training import memory_for
from workflow_src.data.arrays import check_file
from workflow_src.segmentation import build_segmenter
from workflow_src.segmentation.batches import normalised
from workflow_src.study.registries import SEGMENTERS
from workflow_src.study.segmentation import SegmenterRecipe


class FromPixels(nn.Module):
    """A segmenter with all that comes before and after it, for images of any size.

    Args:
        network: (B, 3, H, W) normalised images in, (B, 1, H, W) logits out.
        side: what images are resized to for the network, as it was trained; None leaves them at
            their own size, padded with black so that every level halves evenly.
    """

    def __init__(self, network: nn.Module, side: int | None):
        super().__init__()
        self.network, self.side = network, side

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) uint8, C 1 or 3, to logits (B, 1, H, W)."""
        height, width = image.shape[-2:]
        if self.side is not None:
            side = (self.side, self.side)
            x = F.interpolate(image.float(), side, mode="bicubic", antialias=True)
            # Not rounded to the bytes of a prepared set: a step would turn another runtime's last
            # digit into a level.
            x = x.clamp(0, 255)
            return F.interpolate(self.network(normalised(x)), (height, width), mode="bilinear")
        stride = int(self.network.stride)  # type: ignore[arg-type]
        padded = F.pad(image, (0, -width % stride, 0, -height % stride))
        return self.network(normalised(padded))[..., :height, :width]


class TrainedSegmenter:
    """A model from a folder of `train_segmenter`, used the way that it was trained.

    Args:
        folder: holds model.safetensors and recipe.json.
        device: to predict on.

    Raises:
        InputError: if the folder holds no such model, a damaged one, or one of another version or
            architecture.
    """

    def __init__(self, folder: Path, device: str):
        marker = folder / "recipe.json"
        if not marker.is_file() or not (folder / "model.safetensors").is_file():
            raise InputError(
                f"{folder} holds no trained segmenter: it needs recipe.json and model.safetensors, "
                "as `python -m workflow_src.train_segmenter` writes them"
            )
        with facts_of(marker) as facts:
            if facts.get("kind") != "segmenter":
                raise InputError(
                    f"{folder} holds a model of the kind {facts.get('kind')}, not a light "
                    "segmenter: give a folder that `python -m workflow_src.train_segmenter` wrote"
                )
            self.recipe, self.device = SegmenterRecipe(**facts["recipe"]), device
            self.weights: str = facts["weights"]
        self.place = place_of(SEGMENTERS, self.recipe.architecture, "a segmenter")
        check_file(folder / "model.safetensors", self.weights)
        network = self._load(folder / "model.safetensors")
        side = self.recipe.image_size if self.recipe.fit == "resize" else None
        self.model = FromPixels(network, side).to(device).eval()
        self.model.to(memory_format=torch.channels_last)

    def _load(self, file: Path) -> nn.Module:
        model = build_segmenter(self.recipe.architecture, **self.recipe.options)
        try:
            model.load_state_dict(load_file(file))
        except SafetensorError as error:
            raise InputError(f"{file} is damaged ({error}): copy or train it again") from error
        except RuntimeError as error:
            reason = shorten(str(error).splitlines()[-1], 100, placeholder=" ...")
            raise InputError(
                f"{file} does not fit the {self.recipe.architecture} of its recipe.json "
                f"({reason}): take both files from one training"
            ) from error
        if not all(value.isfinite().all() for value in model.state_dict().values()):
            raise InputError(
                f"{file} holds weights that are not finite: its training diverged; train it again"
            )
        return model

    @torch.no_grad()
    def predict(self, images: np.ndarray, sizes: list[tuple[int, int]]) -> list[np.ndarray]:
        """Lesion probabilities.

        Args:
            images: (B, H, W, C) uint8 of one size, C 1 or 3.
            sizes: original height and width of each image.

        Returns:
            A map (height, width) float32 in [0, 1] per image.
        """
        few = "lower --batch" if len(images) > 1 else "give smaller ones, or take a larger machine"
        with memory_for(len(images), few):
            x = torch.tensor(images).permute(0, 3, 1, 2).to(self.device)
            logits = self.model(x)
        return [
            torch.sigmoid(F.interpolate(one[None], size, mode="bilinear"))[0, 0].cpu().numpy()
            for one, size in zip(logits, sizes, strict=True)
        ]
