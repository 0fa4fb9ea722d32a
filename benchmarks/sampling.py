"""Sampling images from masks: in batches, and one pipeline call per image as public scripts do.

    python benchmarks/sampling.py --width 0.4 --size 128 --steps 4 --images 4
    python benchmarks/sampling.py --size 384 --steps 50 --images 32 --precision bf16   # on a GPU

Random weights in Stable Diffusion 1.5's geometry. One call per image means what ControlNet training
scripts and model cards show: diffusers' pipeline, called with one prompt and one mask. Both sides
take the prompt's embedding as given, which favours that one; what differs is the batch alone. The
sides take turns.
"""

import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from tqdm import tqdm  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.common.training import best_device  # noqa: E402
from workflow_src.diffusion.sampling import Sampler  # noqa: E402
from workflow_src.diffusion.trials import masks_of, new_sampler  # noqa: E402
from workflow_src.study.synthesis import Precision, SamplingRecipe  # noqa: E402


def seconds(sampler: Sampler, masks: np.ndarray, batch: int) -> tuple[float, float]:
    """Of sampling an image for each mask, by the clock and of processor time."""
    start, used = time.perf_counter(), time.process_time()
    for first in range(0, len(masks), batch):
        part = masks[first : first + batch]
        sampler(part, list(range(first, first + len(part))), seed=0, channels=3)
    return time.perf_counter() - start, time.process_time() - used


def main(
    size: int = 384,
    images: int = 32,
    steps: int = 50,
    guidance: float = 9.0,
    precision: Precision = "bf16",
    width: float = 1.0,
    rounds: int = 3,
) -> None:
    """Print a Markdown table.

    Args:
        size: side length of the images.
        images: to sample in a turn; the batched side samples them at once.
        steps: of DDIM.
        guidance: classifier-free guidance scale.
        precision: fp32, bf16 or fp16.
        width: of the networks, relative to Stable Diffusion 1.5's.
        rounds: of so many turns the median counts.
    """
    device = best_device()
    recipe = SamplingRecipe(steps=steps, guidance=guidance, precision=precision)
    sampler, masks = new_sampler(width, recipe, device), masks_of(images, size)
    sides = {"one call per image": 1, "batched": images}
    found = {name: [] for name in sides}
    for number in tqdm(range(rounds + 1), unit="round"):
        for name, batch in sides.items():
            taken = seconds(sampler, masks[: 1 if number == 0 and batch == 1 else images], batch)
            if number:  # the first turn warms up
                found[name].append(taken)
    threads = f"{torch.get_num_threads()} CPU thread(s)"
    place = torch.cuda.get_device_name() if device == "cuda" else threads
    print(
        f"\n| {images} images of {size}², {steps} steps, guidance {guidance:g}, {precision}, width "
        f"{width:g}, {place} | s | images / s | faster | CPU s | less |\n|---|---|---|---|---|---|"
    )
    first = None
    for name, turns in found.items():
        wall, processor = (statistics.median(kind) for kind in zip(*turns, strict=True))
        first = first or (wall, processor)
        print(
            f"| {name} | {wall:.2f} | {images / wall:.3f} | {first[0] / wall:.2f} x "
            f"| {processor:.2f} | {first[1] / processor:.2f} x |"
        )


if __name__ == "__main__":
    run(main)
