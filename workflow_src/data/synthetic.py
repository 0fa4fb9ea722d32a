"""Rows of a synthetic set: which training image's mask each of its images was made for."""

import numpy as np

from workflow_src.data.prepared import PreparedSet, Record


def conditioning_masks(count: int, masks: int) -> np.ndarray:
    """Which training mask each image of a synthetic set is made for, (count,) int64.

    Whole rounds over the masks, then a part of a round. That part is spread evenly, since masks are
    in order of their source: the first half of a round may hold none of the second source.

    Args:
        count: number of images.
        masks: number of training masks.
    """
    rest = count % masks
    return np.concatenate(
        [np.arange(count - rest) % masks, np.arange(rest) * masks // max(rest, 1)]
    )


def synthetic_records(prepared: PreparedSet, method: str, count: int) -> list[Record]:
    """The rows of a synthetic set: the training masks, as many times over as it takes.

    Args:
        prepared: the set whose training masks conditioned the images.
        method: name of the method, for the stems.
        count: number of images.
    """
    rows = prepared.rows("train")
    records = []
    for number, mask in enumerate(conditioning_masks(count, len(rows))):
        row, copy = rows[mask], number // len(rows)
        stem = f"{method}_{prepared.index.source[row]}_{prepared.index.stem[row]}_{copy}"
        case, shape = prepared.index.case[row], prepared.masks.shape[1:]
        records.append(Record(stem, f"synthetic/{method}", case, "train", *shape))
    return records
