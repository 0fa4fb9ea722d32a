"""A trained segmenter, ready to predict images of any size."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from workflow_src.errors import InputError
from workflow_src.segmentation import build_segmenter
from workflow_src.segmentation.batches import normalised
from workflow_src.segmentation.recipes import SegmenterRecipe


class TrainedSegmenter:
    """A model from a folder of `train_segmenter`, used the way that it was trained.

    Args:
        folder: holds model.safetensors and recipe.json.
        device: to predict on.

    Raises:
        InputError: if the folder holds no such model, or the weights are of another architecture.
    """

    def __init__(self, folder: Path, device: str):
        marker = folder / "recipe.json"
        if not marker.is_file() or not (folder / "model.safetensors").is_file():
            raise InputError(
                f"{folder} holds no trained segmenter: it needs recipe.json and model.safetensors, "
                "as `python -m workflow_src.train_segmenter` writes them"
            )
        facts = json.loads(marker.read_text())
        self.recipe, self.device = SegmenterRecipe(**facts["recipe"]), device
        self.weights: str = facts["weights"]
        self.model = self._load(folder / "model.safetensors").to(device).eval()
        self.model.to(memory_format=torch.channels_last)

    def _load(self, file: Path) -> nn.Module:
        model = build_segmenter(self.recipe.architecture, **self.recipe.options)
        try:
            model.load_state_dict(load_file(file))
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise InputError(
                f"{file} does not fit the {self.recipe.architecture} of its recipe.json "
                f"({reason}): take both files from one training"
            ) from error
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
        x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).to(self.device)
        height, width = x.shape[-2:]
        if self.recipe.fit == "resize":
            side = self.recipe.image_size
            x = normalised(x)
            if (height, width) != (side, side):
                x = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
            logits = self.model(x)
        else:  # trained on crops: at its own size, padded so that every level halves evenly
            stride = self.model.stride
            padding = (0, -width % stride, 0, -height % stride)
            logits = self.model(normalised(F.pad(x, padding)))[..., :height, :width]
        return [
            torch.sigmoid(F.interpolate(one[None], size, mode="bilinear"))[0, 0].cpu().numpy()
            for one, size in zip(logits.float(), sizes, strict=True)
        ]
