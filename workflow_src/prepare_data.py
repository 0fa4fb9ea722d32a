"""Turn a raw image set into a prepared set: checked, resized, memory-mapped."""

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from workflow_src.command import run
from workflow_src.data.kits19 import KiTS19
from workflow_src.data.photographs import Photographs
from workflow_src.data.prepared import PreparedWriter
from workflow_src.data.splits import find_duplicates, thumbnail
from workflow_src.runs import provenance, require_space, whole_folder

log = logging.getLogger(__name__)


@dataclass
class Reading:
    """How a raw set is read.

    Args:
        format: "photographs" (PraNet's folders, or one folder of images and masks) or "kits19".
        test_sets: photographs: the test sets wanted; null takes those that are there.
        test_fraction: part of the cases to test on; null for photographs in PraNet's layout.
        validation_fraction: part of the training cases that picks checkpoints.
        split_seed: seed of the splits.
        empty_masks: what to do with a mask that is all background: keep, drop or refuse.
        plane: kits19: axial, coronal or sagittal.
        window: kits19: Hounsfield units that become black and white.
        target: kits19: labels that make the foreground.
        slices: kits19: slices with the target, or all.
        split: kits19: by case; leaky_slice puts one patient's slices on both sides.
    """

    format: Literal["photographs", "kits19"] = "photographs"
    test_sets: list[str] | None = None
    test_fraction: float | None = None
    validation_fraction: float = 0.1
    split_seed: int = 0
    empty_masks: Literal["keep", "drop", "refuse"] = "keep"
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    window: tuple[float, float] = (-160.0, 240.0)
    target: Literal["kidney_and_tumour", "tumour"] = "kidney_and_tumour"
    slices: Literal["lesion", "all"] = "lesion"
    split: Literal["case", "leaky_slice"] = "case"


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


def main(
    root: Path, output: Path, reading: Reading, size: int | None = None, threads: int = 1
) -> None:
    """Prepare a raw set.

    Args:
        root: folder of the raw set.
        output: folder of the prepared set.
        reading: how the raw set is read.
        size: side length in pixels; without it every image keeps its own size.
        threads: images or volumes read at once.
    """
    raw = open_raw(root, reading, threads)
    for name in raw.missing_sets:
        log.warning("test set %s is not under %s: it will be shown as not run", name, root)
    for name in raw.empty:
        log.warning("mask %s is all background: %s", name, reading.empty_masks)
    require_space(output, PreparedWriter.bytes_needed(raw.records, raw.channels, size), str(output))
    with whole_folder(output, "meta.json") as folder:
        writer = PreparedWriter(folder, raw.records, raw.channels, size)
        duplicates = find_duplicates(_copy(raw, writer, threads), raw.records)
        names = [f"{r.source}/{r.stem}" for r in raw.records]
        copies = [""] * len(names)
        # Of several images one in the same split is named: what stands in two test sets, and in the
        # training set as well, must still count once among the tests.
        splits = [r.split for r in raw.records]
        for first, later, _ in sorted(duplicates, key=lambda d: splits[d[0]] != splits[d[1]]):
            copies[later] = copies[later] or names[first]
        for first, later, difference in duplicates:
            log.warning(
                "%s (%s) and %s (%s) are one image, or nearly: they differ by %.2f grey levels",
                names[first], splits[first], names[later], splits[later], difference,
            )  # fmt: skip
        writer.finish(
            {
                "reading": asdict(reading),
                "missing_sets": raw.missing_sets,
                "empty_masks": raw.empty,
                "duplicates": [[names[i], names[j], round(d, 3)] for i, j, d in duplicates],
                "provenance": provenance("workflow_src.prepare_data"),
            },
            {"duplicate_of": copies},
        )
    counts = ", ".join(f"{number} {split}" for split, number in Counter(splits).items())
    log.info("%s: %d images (%s)", output, len(raw.records), counts)


def _copy(raw: Photographs | KiTS19, writer: PreparedWriter, threads: int) -> np.ndarray:
    """Read every group of the raw set into the writer; returns thumbnails (N, 1024)."""
    thumbnails = np.zeros((len(raw.records), 1024))
    groups = raw.groups()
    with ThreadPoolExecutor(threads) as pool, tqdm(total=len(raw.records), unit="image") as bar:
        # In waves of a group a thread: a pool that ran ahead would hold more volumes than it may.
        for start in range(0, len(groups), threads):
            wave = groups[start : start + threads]
            for rows, pairs in zip(wave, pool.map(raw.read, wave), strict=True):
                for row, (image, mask) in zip(rows, pairs, strict=True):
                    writer.put(row, image, mask)
                    thumbnails[row] = thumbnail(image)
                bar.update(len(rows))
    return thumbnails


if __name__ == "__main__":
    run(main)
