"""From a raw set to a prepared set: every pair copied, near-identical images found."""

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from workflow_src.common.outputs import require_space, whole_folder
from workflow_src.common.provenance import provenance
from workflow_src.data.prepared import PreparedWriter, Record
from workflow_src.data.raw import RawSet, open_raw
from workflow_src.data.splits import find_duplicates, thumbnail
from workflow_src.study.reading import Reading
from workflow_src.study.registries import RAW_FORMATS

log = logging.getLogger(__name__)


def prepare(root: Path, output: Path, reading: Reading, size: int | None, threads: int) -> None:
    """Prepare a raw set; the arguments are those of the step `prepare_data`."""
    raw = open_raw(root, reading, threads)
    for remark in raw.remarks:
        log.warning("%s", remark)
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
        shared = shared_cases(raw.records)
        if shared:
            log.warning(
                "cases on both sides of the split: %d, such as %s; scores on their test images "
                "flatter", len(shared), shared[0],
            )  # fmt: skip
        writer.finish(
            {
                "reading": reading.complete(),
                "shared_cases": shared,
                "spacing_mm": raw.spacing,
                "missing_sets": raw.missing_sets,
                "empty_masks": raw.empty,
                "duplicates": [[names[i], names[j], round(d, 3)] for i, j, d in duplicates],
                "provenance": provenance("workflow_src.prepare_data", RAW_FORMATS[reading.format]),
            },
            {
                "duplicate_of": copies,
                "case_guessed": [int(record.case in raw.guessed) for record in raw.records],
            },
        )
    counts = ", ".join(f"{number} {split}" for split, number in Counter(splits).items())
    log.info("%s: %d images (%s)", output, len(raw.records), counts)


def shared_cases(records: list[Record]) -> list[str]:
    """Cases of test images that have images to train or validate on as well, sorted."""
    tested = {record.case for record in records if record.split == "test"}
    return sorted(tested & {record.case for record in records if record.split != "test"})


def _copy(raw: RawSet, writer: PreparedWriter, threads: int) -> np.ndarray:
    """Read every group of the raw set into the writer; returns thumbnails (N, 1024)."""
    thumbnails = np.zeros((len(raw.records), 1024))
    groups = raw.groups()
    with ThreadPoolExecutor(threads) as pool, tqdm(total=len(raw.records), unit="image") as bar:
        # In waves of one group per thread: a pool that ran ahead would hold too many volumes.
        for start in range(0, len(groups), threads):
            wave = groups[start : start + threads]
            for rows, pairs in zip(wave, pool.map(raw.read, wave), strict=True):
                for row, (image, mask) in zip(rows, pairs, strict=True):
                    writer.put(row, image, mask)
                    thumbnails[row] = thumbnail(image)
                bar.update(len(rows))
    return thumbnails
