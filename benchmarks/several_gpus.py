"""What a ControlNet training gains from several GPUs of a node, on paper.

    python benchmarks/several_gpus.py

From operations (workflow_src/readiness/work.py), bytes of gradients, and the speed of the link.
Each GPU computes its share of the batch, all sum their gradients in a ring, and each updates
all weights. The sum runs beside the backward part of the last pass, as PyTorch's does.
"""

import sys
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.readiness.gpu_memory import CONTROLNET as CONTROLNET_WEIGHTS  # noqa: E402
from workflow_src.readiness.gpu_memory import DECODER, GRADIENT  # noqa: E402
from workflow_src.readiness.work import CONTROLNET, EFFICIENCY, FORWARD, PEAKS, START  # noqa: E402
from workflow_src.study.synthesis import ControlNetRecipe  # noqa: E402

# GB/s each way between two GPUs, as the makers state them, and the share of it that a sum reaches.
LINKS = {"NVLink of an A100": 300.0, "PCIe 4.0 x16": 32.0}
LINK_SHARE = 0.7
MEMORY = 1555.0  # GB/s of an A100 of 40 GB
UPDATE = 28  # bytes that AdamW reads and writes for a weight
METHODS = {"one ControlNet": False, "with a teacher": True}


def seconds_of_step(recipe: ControlNetRecipe, teacher: bool, gpus: int, link: float) -> float:
    """Of one update of a training on several A100.

    Args:
        recipe: its batch.
        teacher: whether two networks train.
        gpus: how many share the batch.
        link: GB/s each way between two of them.
    """
    weights = (1 + teacher) * (CONTROLNET_WEIGHTS + DECODER)
    image = CONTROLNET[teacher, True] / (EFFICIENCY * PEAKS["a100"])
    computing = recipe.batch_size / gpus * image
    summing = 2 * (gpus - 1) / gpus * weights * GRADIENT / (link * LINK_SHARE * 1e9)
    beside = (1 - FORWARD) * recipe.micro_batch * image
    return computing + max(0.0, summing - beside) + weights * UPDATE / (MEMORY * 1e9)


def main(gpus: tuple[int, ...] = (1, 2, 4, 8)) -> None:
    """Print a Markdown table.

    Args:
        gpus: numbers of them, the first of which the others are compared with.
    """
    recipe = ControlNetRecipe()
    print("| training, link | GPUs | images/s | of ideal | minutes of a job | GPU-minutes |")
    print("|---|---|---|---|---|---|")
    for (method, teacher), (link, speed) in product(METHODS.items(), LINKS.items()):
        alone = gpus[0] * seconds_of_step(recipe, teacher, gpus[0], speed)
        for count in gpus:
            step = seconds_of_step(recipe, teacher, count, speed)
            minutes = (START[True] + recipe.steps * step) / 60
            print(
                f"| {method}, {link} | {count} | {recipe.batch_size / step:.0f} "
                f"| {alone / (count * step):.0%} | {minutes:.1f} | {count * minutes:.1f} |"
            )


if __name__ == "__main__":
    run(main)
