"""Training steps of MK-UNet and ORDER: the workflow's against the plain one of the same network.

    python benchmarks/segmenter_training.py
    python benchmarks/segmenter_training.py --official ../MK-UNet    # a clone of the public code

`plain` is our network in the step that one writes first: eager, single precision, channels first,
Eqs. 15 and 16 as they stand. `eager` and `compiled` are the steps of `train_segmenter` in a short
run and in a long one. `official` is the plain step of MK-UNet's public code. All take the same
batch, Eq. 18 and AdEMAMix, in turns; loading is measured by segmenter_loader.py.
"""

import math
import sys
from pathlib import Path
from typing import Literal
from unittest import mock

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from timing import copy_peak, medians, product_peak, seconds  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch._inductor.utils import fresh_cache  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.common.training import best_device  # noqa: E402
from workflow_src.segmentation import build_segmenter, order, training  # noqa: E402
from workflow_src.segmentation.attention import from_one_similarity  # noqa: E402
from workflow_src.segmentation.losses import bce_dice  # noqa: E402
from workflow_src.study.segmentation import SegmenterRecipe  # noqa: E402


class Plain:
    """The plain step of a network."""

    def __init__(self, network: nn.Module, x: Tensor, y: Tensor):
        self.network, self.x, self.y = network.to(x.device).train(), x, y
        self.optimizer = training.make_optimizer(network, SegmenterRecipe(), steps=1000)

    def loss(self) -> Tensor:
        with mock.patch.object(order, "bidirectional_attention", from_one_similarity):
            logits = self.network(self.x)
        # MK-UNet's public code gives its output in a list.
        return bce_dice(logits[-1] if isinstance(logits, list) else logits, self.y)

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()


class Ours:
    """The step of `train_segmenter`."""

    def __init__(self, network: nn.Module, recipe: SegmenterRecipe, x: Tensor, y: Tensor):
        network.to(x.device, memory_format=torch.channels_last).train()
        self.optimizer = training.make_optimizer(network, recipe, steps=1000)
        self.network = training.compiled(network) if recipe.compile == "on" else network
        self.recipe, self.x, self.y = recipe, x, y

    def __call__(self) -> None:
        training.update(self.network, self.optimizer, self.x, self.y, self.recipe)


def official_network(folder: Path) -> nn.Module:
    """The tiny variant from a clone of MK-UNet's public code, which needs timm and torchvision."""
    sys.path.insert(0, str(folder))
    from mkunet_network import MK_UNet_T

    return MK_UNet_T()


def floor(plain: Plain, ours: Ours, flops_peak: float, bytes_peak: float) -> tuple[float, float]:
    """Least seconds that a step can take, by its operations and by its memory.

    Operations are those of convolutions and products, forwards and backwards, at the machine's best
    rate. Of memory only one writing and one reading of what must wait for the backward pass count.
    """
    with FlopCounterMode(display=False) as counter:
        plain.loss().backward()
    kept = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        ours.network(ours.x)
    return counter.get_total_flops() / flops_peak, 2 * sum(kept.values()) / bytes_peak


def main(
    networks: list[str] = ["mkunet", "order"],  # noqa: B006
    batches: list[int] = [8, 16],  # noqa: B006
    size: int = 256,
    precision: Literal["fp32", "bf16"] = "fp32",
    rounds: int = 10,
    official: Path | None = None,
) -> None:
    """Print a Markdown table.

    Args:
        networks: to measure.
        batches: images per step.
        size: side length of the images.
        precision: of the workflow's steps; the plain one is always fp32.
        rounds: steps of each side; medians count.
        official: folder of a clone of MK-UNet's public code, to be measured too.
    """
    device = best_device()
    flops_peak, bytes_peak = product_peak(device), copy_peak(device)
    print(f"{device}, {torch.get_num_threads()} threads, images of {size} pixels, {precision}; "
          f"at best {flops_peak / 1e9:.0f} GFLOP/s (fp32) and {bytes_peak / 1e9:.1f} GB/s\n\n"
          "| network | batch | side | images/s | times plain | compiling s | earned back, steps |\n"
          "|---|---|---|---|---|---|---|", flush=True)  # fmt: skip
    for name in networks:
        for batch in batches:
            x = torch.randn(batch, 3, size, size, device=device)
            y = (torch.rand(batch, 1, size, size, device=device) > 0.8).float()
            sides = {"plain": Plain(build_segmenter(name), x, y)}
            if official and name == "mkunet":
                sides["official"] = Plain(official_network(official), x, y)
            for side, compile in (("eager", "off"), ("compiled", "on")):
                recipe = SegmenterRecipe(architecture=name, compile=compile, precision=precision)
                sides[side] = Ours(build_segmenter(name), recipe, x, y)
            with fresh_cache():
                compiling = seconds(sides["compiled"])
            found = medians(sides, rounds)
            compiling -= found["compiled"]
            saved = found["eager"] - found["compiled"]
            steps = compiling / saved if saved > 0 else math.inf
            notes = {"compiled": f"{compiling:.0f} | {steps:.0f}"}
            for side, taken in found.items():
                print(
                    f"| {name} | {batch} | {side} | {batch / taken:.1f} "
                    f"| {found['plain'] / taken:.2f} | {notes.get(side, ' | ')} |"
                )
            operations, memory = floor(sides["plain"], sides["eager"], flops_peak, bytes_peak)
            print(f"| {name} | {batch} | floor: operations | {batch / operations:.0f} | | | |")
            print(f"| {name} | {batch} | floor: memory | {batch / memory:.0f} | | | |", flush=True)


if __name__ == "__main__":
    run(main)
