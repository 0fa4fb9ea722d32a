"""Training batches of segmenters, loading alone: against the network's training step.

    python benchmarks/segmenter_loader.py --folder /tmp/loader

Draws a set, prepares it at one size and at native sizes, and takes batches flipped and rotated as
`train_segmenter` does, in turns with its compiled step on the same batch. Images that are resized
lie in memory as bytes; crops are read from the prepared set's file.
"""

import sys
from itertools import count
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from segmenter_training import Ours  # noqa: E402
from timing import medians  # noqa: E402
from torch import Tensor  # noqa: E402

from workflow_src import make_phantoms, prepare_data  # noqa: E402
from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.common.training import best_device, generator_for, rows_of_step  # noqa: E402
from workflow_src.data.prepared import PreparedSet  # noqa: E402
from workflow_src.segmentation import build_segmenter  # noqa: E402
from workflow_src.segmentation.batches import Batches  # noqa: E402
from workflow_src.study.segmentation import SegmenterRecipe  # noqa: E402


def prepared(folder: Path, images: int, side: int, size: int | None) -> PreparedSet:
    """Drawn polyps at a size, or at native ones; those of an earlier call are used again."""
    raw, place = folder / f"raw{images}_{side}", folder / f"prepared{images}_{side}_{size}"
    if not raw.is_dir():
        make_phantoms.main(raw, make_phantoms.Phantom(train=images, test=1, side=side))
    if not place.is_dir():
        prepare_data.main(raw, place, prepare_data.Reading(), size=size)
    return PreparedSet(place)


class Loading:
    """The loading of one batch after the other, as `train_segmenter` does it."""

    def __init__(self, train: Batches):
        self.train, self.steps = train, count()

    def __call__(self) -> tuple[Tensor, Tensor]:
        step = next(self.steps)
        numbers = rows_of_step(step, self.train.recipe.batch_size, len(self.train), seed=0)
        return self.train.augmented(self.train.drawn(numbers, generator_for(0, "augment", step)))


def main(
    folder: Path,
    network: str = "mkunet",
    sizes: list[int] = [256, 512],  # noqa: B006
    batch: int = 16,
    images: int = 100,
    side: int = 560,
    rounds: int = 10,
    compile: Literal["on", "off"] = "on",
) -> None:
    """Print a Markdown table.

    Args:
        folder: for the drawn sets.
        network: whose step loading is measured against.
        sizes: side lengths of what the network trains on.
        batch: images per step.
        images: of the drawn set.
        side: about the shorter side of its native images.
        rounds: of loading and training in turns; medians count.
        compile: whether the network is compiled.
    """
    print("| network | fit | side | loading images/s | training images/s | times |")
    print("|---|---|---|---|---|---|", flush=True)
    device = best_device()
    for size in sizes:
        for fit, wanted in (("resize", size), ("crop", None)):
            recipe = SegmenterRecipe(
                architecture=network, batch_size=batch, image_size=size, fit=fit, compile=compile
            )
            data = prepared(folder, images, side, wanted)
            load = Loading(Batches(data, data.rows("train"), recipe, device))
            found = medians(
                {"loading": load, "training": Ours(build_segmenter(network), recipe, *load())},
                rounds,
            )
            loading, training = (batch / found[name] for name in ("loading", "training"))
            print(
                f"| {network} | {fit} | {size} | {loading:.0f} | {training:.1f} "
                f"| {loading / training:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    run(main)
