"""Splits by case, so that no patient stands on both sides, and the search for duplicates."""

from collections.abc import Iterator

import numpy as np

from workflow_src.data.prepared import Record, resize_image


def hold_out(
    records: list[Record], split: str, fraction: float, seed: int, unit: str = "case"
) -> None:
    """Move a random part of the training cases to another split, in place.

    Args:
        records: all records; only those of split "train" are drawn from.
        split: "val" or "test".
        fraction: part of the cases to move; at least one is moved if the fraction is above 0.
        seed: of the draw.
        unit: the field of a record that is drawn: "case", or "stem" to draw single images.
    """
    units = sorted({getattr(r, unit) for r in records if r.split == "train"})
    count = round(len(units) * fraction)
    if fraction > 0:
        count = min(max(count, 1), len(units) - 1)
    drawn = set(np.random.default_rng(seed).permutation(units)[:count].tolist())
    for record in records:
        if record.split == "train" and getattr(record, unit) in drawn:
            record.split = split


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Grey thumbnail (1024,) float64 of an image (H, W, C), by which duplicates are found."""
    return resize_image(image, 32).mean(axis=2).ravel()


def find_duplicates(
    thumbnails: np.ndarray, records: list[Record], threshold: float = 2.0
) -> list[tuple[int, int, float]]:
    """Find images of a set that are the same or nearly so, a copy saved again as JPEG too.

    Pairs within one split of one source are left out: neighbouring video frames there do no harm.

    Args:
        thumbnails: (N, 1024) of all images.
        records: their rows.
        threshold: root mean square difference, in grey levels of 0-255, below which two are one.

    Returns:
        (row, later row, difference), nearest first.
    """
    place = [f"{r.split.replace('val', 'train')}/{r.source}" for r in records]
    found = [pair for pair in alike(thumbnails, threshold) if place[pair[0]] != place[pair[1]]]
    return sorted(found, key=lambda pair: pair[2])


def alike(thumbnails: np.ndarray, threshold: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows (row, later row, difference) that differ by less than a threshold.

    Args:
        thumbnails: (N, 1024).
        threshold: root mean square difference, in grey levels of 0-255.
    """
    squares = (thumbnails**2).sum(axis=1)
    for start in range(0, len(thumbnails), 512):  # in blocks: the whole matrix may not fit
        block = slice(start, start + 512)
        distance = squares[block, None] + squares[None] - 2 * thumbnails[block] @ thumbnails.T
        rms = np.sqrt(np.clip(distance, 0, None) / thumbnails.shape[1])
        for i, j in zip(*np.nonzero(rms < threshold), strict=True):
            if start + i < j:
                yield int(start + i), int(j), float(rms[i, j])
