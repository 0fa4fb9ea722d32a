"""EfficientNet-Lite0 at several sides: how fast it is, and how well its distances tell sets apart.

    python benchmarks/extractor_sides.py --one PREPARED --other PREPARED

Training images of two prepared sets are resized from the size they were prepared at. The network is
timed on one thread. `halves` is the distance between halves of the first set, `other` that to the
second, each over as many images; what counts is how many times the one is the other.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.data.prepared import PreparedSet  # noqa: E402
from workflow_src.metrics.features import extract, make_extractor  # noqa: E402
from workflow_src.metrics.floors import distances  # noqa: E402


def main(one: Path, other: Path, sides: list[int] | None = None, images: int = 100) -> None:
    """Measure, and print a table.

    Args:
        one: folder of a prepared set.
        other: folder of another, of images of the same size.
        sides: to resize to.
        images: that each distance is over.
    """
    torch.set_num_threads(1)
    sets = [PreparedSet(folder) for folder in (one, other)]
    pixels = [part.images[part.rows("train")[: 2 * images]] for part in sets]
    print("| side | images/s | halves | other | times |\n|---|---|---|---|---|")
    for side in sides or [64, 96, 128, 224]:
        extractor = {"lite0": make_extractor("lite0", "cpu", side=side)}
        extract(extractor, pixels[0][:4], 4, "cpu")
        start = time.process_time()
        first, second = (extract(extractor, part, 32, "cpu")["lite0"] for part in pixels)
        rate = sum(map(len, pixels)) / (time.process_time() - start)
        found = [np.mean(distances([images], first, rest)[str(images)]) for rest in (None, second)]
        halves, apart = found
        print(f"| {side} | {rate:.0f} | {halves:.1f} | {apart:.1f} | {apart / halves:.2f} |")


if __name__ == "__main__":
    run(main)
