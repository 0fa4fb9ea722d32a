"""GPU memory of ControlNet training by method and setting, counted without a GPU.

    python benchmarks/controlnet_memory.py

The training's own code runs on tensors without content: see workflow_src/diffusion/memory.py, also
for what is not counted. `make check-gpu` sets the counts beside what a GPU measures.
"""

import sys
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.diffusion.memory import simulated_memory  # noqa: E402
from workflow_src.study.synthesis import ControlNetRecipe  # noqa: E402

TEACHER = {"teacher": True, "weighting": "law", "distillation_weighting": "law", "lambda_dice": 1.0}
METHODS = {"one ControlNet": {}, "with a teacher": TEACHER}
WAYS = {
    "as it is": {},
    "decoder frozen": {"train_decoder": False},
    "fp32": {"precision": "fp32"},
    "checkpointing": {"gradient_checkpointing": True},
    "checkpointing, 8-bit moments": {"gradient_checkpointing": True, "optimizer_state": "8bit"},
    "checkpointing, moments on the host": {
        "gradient_checkpointing": True,
        "optimizer_state": "host",
    },
}


def main(size: int = 384, images: int = 1450, micro_batches: tuple[int, ...] = (1, 4)) -> None:
    """Print a Markdown table.

    Args:
        size: side length of the images.
        images: of the training set.
        micro_batches: images of a pass.
    """
    print(f"| {size}², GiB | " + " | ".join(f"micro_batch {b}" for b in micro_batches) + " |")
    print("|---" * (1 + len(micro_batches)) + "|")
    for (method, losses), (way, change) in product(METHODS.items(), WAYS.items()):
        settings = [ControlNetRecipe(**losses, **change, micro_batch=b) for b in micro_batches]
        peaks = [f"{simulated_memory(recipe, size, images).peak:.1f}" for recipe in settings]
        print(f"| {method}, {way} | {' | '.join(peaks)} |", flush=True)


if __name__ == "__main__":
    run(main)
