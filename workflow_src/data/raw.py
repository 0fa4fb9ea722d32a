"""Raw image sets: what a reader of a format must be, and the one that a study's reading names."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from workflow_src.common.registry import member, options_of, require_options
from workflow_src.data.prepared import Record
from workflow_src.study.reading import Reading
from workflow_src.study.registries import RAW_FORMATS

T = TypeVar("T")


class RawSet:
    """What every raw set is: a folder opened, checked and listed, whose images are read by row.

    The constructor takes the root, and by name those settings of the reading that matter to the
    format, each with a default: test_fraction, validation_fraction and split_seed for its splits,
    and any of the reading's options; also `threads`, the files it may read at once, and `sample`:
    a number of images or volumes to open for a quick check, after which the records need not be
    those of the whole set. Of what the user can put right it says so in an InputError that names
    the file.

    Attributes:
        few: number of images or volumes that a quick check opens, given as `sample`.
        channels: 3 for photographs, 1 for CT and other grey images.
        records: one per image, in the order of the rows. `case` is what no split may part, such
            as a patient; splits are "train", "val" and "test".
        missing_sets: names of test sets that were asked for and are not there.
        empty: names of masks that are all background.
        guessed: cases that nothing names, guessed from the images.
        spacing: of each case, mm between rows and between columns; empty where it is not known.
        remarks: what is not wrong but should be known, one line each.
    """

    few = 12
    channels = 3

    def __init__(self):
        self.records: list[Record] = []
        self.missing_sets: list[str] = []
        self.empty: list[str] = []
        self.guessed: set[str] = set()
        self.spacing: dict[str, tuple[float, float]] = {}
        self.remarks: list[str] = []

    def groups(self) -> list[list[int]]:
        """Rows that are read together; each row alone, unless one file holds several images."""
        return [[row] for row in range(len(self.records))]

    def summary(self) -> str:
        """What the set holds, in a few words."""
        counts = Counter(record.source for record in self.records)
        return ", ".join(f"{count} in {source}" for source, count in counts.items())

    def read(self, rows: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images (H, W, channels) uint8 and masks (H, W) uint8 of 0 and 1 of a group's rows.

        Height and width are those of the record. Several threads call it at once.
        """
        raise NotImplementedError


def spread(items: Sequence[T], number: int | None) -> list[T]:
    """At most a number of items, evenly spread, with the first and the last; None for all."""
    if number is None or len(items) <= number:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(number - 1, 1))] for i in range(number)]


def open_raw(root: Path, reading: Reading, threads: int, quick: bool = False) -> RawSet:
    """The raw set under a root, its files checked.

    Args:
        root: folder of the raw set.
        reading: how it is read; what is None is left to the format's default.
        threads: files read at once.
        quick: open only a few images of each folder, or volumes.

    Raises:
        InputError: if it is not as the reading describes.
    """
    require_options(RAW_FORMATS, reading.format, "a raw format", reading.options)
    reader = member(RAW_FORMATS, reading.format, "a raw format")
    given = vars(reading) | reading.options
    given |= {"threads": threads, "sample": reader.few if quick else None}
    known = options_of(RAW_FORMATS[reading.format])
    return reader(root, **{key: given[key] for key in known if given.get(key) is not None})
