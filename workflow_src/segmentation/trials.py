"""A light segmenter's training step, as a trial."""

import torch
from torch import Tensor, nn

from workflow_src.common.compilers import why_not_compile
from workflow_src.common.trials import Ready, Trial
from workflow_src.segmentation import build_segmenter
from workflow_src.segmentation.training import compiled, make_optimizer, update
from workflow_src.study.segmentation import SegmenterRecipe


def training(recipe: SegmenterRecipe) -> Trial:
    """An update of a light segmenter, compiled where a long training on a GPU is."""

    def network() -> nn.Module:
        torch.manual_seed(0)
        return build_segmenter(recipe.architecture, **recipe.options)

    def images(count: int) -> Tensor:
        shape = (count, 3, recipe.image_size, recipe.image_size)
        return torch.rand(shape, generator=torch.Generator().manual_seed(0))

    def logits(model: nn.Module, x: Tensor) -> Tensor:
        model.eval()
        with torch.no_grad():
            out = model(x)
        model.train()
        return out

    def ready(device: str) -> Ready:
        model = network().to(device).to(memory_format=torch.channels_last).train()
        optimizer = make_optimizer(model, recipe, steps=1000)
        x = images(recipe.batch_size).to(device)
        y = torch.ones_like(x[:, :1])
        fast = model
        if device == "cuda" and recipe.compile != "off" and not why_not_compile(on_gpu=True):
            fast = compiled(model)
        return Ready(
            lambda: update(fast, optimizer, x, y, recipe),
            lambda: logits(model, images(1).to(device)),
            lambda: update(model, optimizer, x, y, recipe),
        )

    def reference() -> Tensor:
        return logits(network().train(), images(1))

    return Trial(recipe.architecture, recipe.batch_size, ready, reference, 0.01)
