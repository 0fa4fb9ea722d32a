"""The reader of each raw format."""

from pathlib import Path

from workflow_src.data.kits19 import KiTS19
from workflow_src.data.photographs import Photographs
from workflow_src.study.reading import Reading


def open_raw(root: Path, reading: Reading, threads: int) -> Photographs | KiTS19:
    """The raw set under a root, its pairs and headers checked.

    Raises:
        InputError: if it is not as the reading describes.
    """
    if reading.format == "photographs":
        return Photographs(
            root,
            reading.test_sets,
            reading.validation_fraction,
            reading.test_fraction,
            reading.split_seed,
            reading.empty_masks,
            threads,
        )
    return KiTS19(
        root,
        reading.plane,
        reading.window,
        reading.target,
        reading.slices,
        reading.split,
        reading.validation_fraction,
        0.2 if reading.test_fraction is None else reading.test_fraction,
        reading.split_seed,
        threads,
    )
