"""What the evaluator's scores cost: milliseconds an image of each kind, and loading MONAI.

    python benchmarks/segmentation_scores.py

Masks are ellipses with ragged edges, the prediction another one near by.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.metrics.lesions import score_lesions  # noqa: E402
from workflow_src.metrics.overlap import score_image  # noqa: E402

LOADING = "import {0}, time; t = time.perf_counter(); import {1}; print(time.perf_counter() - t)"


def pair(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels (side, side) uint8 and a mask of 0 and 1."""
    rng = np.random.default_rng(side)
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    noise = rng.normal(0, 0.05, (side, side))
    lesion = np.hypot((y - 0.5) / 0.2, (x - 0.5) / 0.3) + noise < 1
    near = np.hypot((y - 0.52) / 0.21, (x - 0.48) / 0.3) + noise
    return np.clip(255 * (1.5 - near), 0, 255).astype(np.uint8), lesion.astype(np.uint8)


def main(sides: list[int] | None = None, images: int = 20) -> None:
    """Measure, and print a table.

    Args:
        sides: of the images.
        images: that each time is a mean over.
    """
    from workflow_src.metrics.boundary import score_boundary

    print("| side | overlap | lesions | outlines |\n|---|---|---|---|")
    for side in sides or [64, 128, 288, 512, 1024]:
        levels, mask = pair(side)
        predicted, true = levels >= 128, mask > 0
        found = []
        for score, *of in (
            (score_image, levels, mask),
            (score_lesions, predicted, true),
            (score_boundary, predicted, true, 2.0),
        ):
            score(*of)
            start = time.process_time()
            for _ in range(images):
                score(*of)
            found.append((time.process_time() - start) / images)
        print(f"| {side} | " + " | ".join(f"{1e3 * taken:.1f}" for taken in found) + " |")
    for before, module in (("numpy", "torch"), ("torch", "monai.metrics.utils")):
        code = LOADING.format(before, module)
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
        print(f"\nLoading {module} after {before}: {float(done.stdout):.1f} s")


if __name__ == "__main__":
    run(main)
