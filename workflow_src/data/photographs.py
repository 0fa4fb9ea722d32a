"""Photographs with masks: PraNet's polyp folders, or any two folders of images and masks."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np

from workflow_src.common.errors import InputError
from workflow_src.data.cases import guess_cases, name_cases
from workflow_src.data.image_files import opened, read_image
from workflow_src.data.masks import MaskFacts, check_together, facts_of_mask
from workflow_src.data.pairs import Pair, find_pairs, listing, match, read_pair, subfolders
from workflow_src.data.prepared import Record
from workflow_src.data.raw import RawSet, spread
from workflow_src.data.splits import hold_out, thumbnail


class Photographs(RawSet):
    """A raw set of photographs.

    Args:
        root: PraNet's layout (`TrainDataset/`, `TestDataset/<set>/`), or with `test_fraction` one
            folder of images and masks to be split.
        test_sets: the test sets wanted; None takes those that are there.
        validation_fraction: part of the training images set aside for choosing checkpoints.
        test_fraction: part of the images to test on, where the root is one folder.
        split_seed: seed of the splits.
        empty_masks: what to do with an image whose mask is all background.
        large_lesions: whether to refuse a folder in most of whose masks the lesion fills more than
            half of the image, as it seems to in masks that are black on white.
        threads: files read at once.
        sample: number of masks of each folder to open, for a quick check; None opens all.
        cases: a table of stems and cases; see `name_cases`.
        case_pattern: regular expression whose first group, in a stem, is the case.

    Raises:
        InputError: if the root or any pair is not as described.
    """

    channels = 3

    def __init__(
        self,
        root: Path,
        *,
        validation_fraction: float,
        split_seed: int,
        empty_masks: Literal["keep", "drop", "refuse"],
        large_lesions: Literal["refuse", "keep"],
        test_sets: Sequence[str] | None = None,
        test_fraction: float | None = None,
        threads: int = 1,
        cases: Path | str | None = None,
        case_pattern: str | None = None,
        sample: int | None = None,
    ):
        super().__init__()
        self.files: list[Pair] = []
        if not root.is_dir():
            raise InputError(f"{root} is not a folder: give the root of the raw images as `root`")
        if test_fraction is None:
            self._read_pranet(root, test_sets)
        else:
            self._add(find_pairs(root), root.name, "train")
        folders = [image.parent.parent for image, _ in self.files]
        name_cases(self.records, folders, None if cases is None else Path(cases), case_pattern)
        self.sample = self._sample(sample)
        self.empty = self._check_masks(empty_masks, large_lesions, threads)
        if sample is None:
            self.guessed = self._guess_cases(threads)
        for record in self.records:  # of a sample: a guess takes reading every image
            record.case = record.case or f"{record.source}/{record.stem}"
        if test_fraction is not None:
            hold_out(self.records, "test", test_fraction, split_seed)
        hold_out(self.records, "val", validation_fraction, split_seed + 1)
        self.remarks = [
            f"test set {name} is not under {root}: it will be shown as not run"
            for name in self.missing_sets
        ] + [f"mask {name} is all background: {empty_masks}" for name in self.empty]

    def _read_pranet(self, root: Path, test_sets: Sequence[str] | None) -> None:
        if not (root / "TrainDataset").is_dir():
            raise InputError(
                f"{root} has no TrainDataset/: it holds {listing(root)}; give the folder that "
                "holds TrainDataset/ and TestDataset/, or set `test_fraction` for one folder of "
                "images/ and masks/"
            )
        self._add(find_pairs(root / "TrainDataset"), "TrainDataset", "train")
        tests = root / "TestDataset"
        there = subfolders(tests)
        for name in test_sets if test_sets is not None else there:
            if name in there:
                self._add(find_pairs(tests / name), name, "test")
            else:
                self.missing_sets.append(name)

    def _sample(self, number: int | None) -> list[int]:
        """Rows to open: all, or a number of them in each folder."""
        rows: dict[str, list[int]] = {}
        for row, record in enumerate(self.records):
            rows.setdefault(record.source, []).append(row)
        return [row for part in rows.values() for row in spread(part, number)]

    def _check_masks(self, empty_masks: str, large_lesions: str, threads: int) -> list[str]:
        """Names of the masks that are all background; dropped here if they are to be."""

        def look(row: int) -> MaskFacts:
            with opened(self.files[row][1]) as picture:
                return facts_of_mask(picture, self.records[row].source)

        with ThreadPoolExecutor(threads) as pool:
            masks = list(pool.map(look, self.sample))
        check_together(masks, large_lesions)
        empty = [str(mask.path) for mask in masks if mask.coding == "none"]
        if len(empty) == len(self.files):
            raise InputError(
                f"mask {empty[0]} is all background, and so are all {len(empty)} of the set: the "
                "lesion must be white on black, or 1 on 0"
            )
        if empty and empty_masks == "refuse":
            raise InputError(
                f"mask {empty[0]} is all background (one of {len(empty)}): draw the lesion, remove "
                "the pair, or set `empty_masks` to keep or drop"
            )
        if empty_masks == "drop":
            dropped = set(empty)
            kept = [i for i, pair in enumerate(self.files) if str(pair[1]) not in dropped]
            self.files = [self.files[i] for i in kept]
            self.records = [self.records[i] for i in kept]
            places = {row: place for place, row in enumerate(kept)}
            self.sample = [places[row] for row in self.sample if row in places]
            if not any(record.split == "train" for record in self.records):
                raise InputError(
                    f"no training image is left without those whose mask is all background, such "
                    f"as {empty[0]}: draw the lesions, or set `empty_masks` to keep"
                )
        return empty

    def _add(self, pairs: list[Pair], source: str, split: str) -> None:
        for image, mask in pairs:
            with opened(image, pixels=False) as a, opened(mask, pixels=False) as b:
                match(a, b)
                width, height = b.file.size
            self.files.append((image, mask))
            self.records.append(Record(image.stem, source, "", split, height, width))

    def _guess_cases(self, threads: int) -> set[str]:
        """Cases of the images that nothing names, found by their likeness."""
        rows = [row for row, record in enumerate(self.records) if not record.case]
        if not rows:
            return set()
        with ThreadPoolExecutor(threads) as pool:
            seen = pool.map(lambda row: thumbnail(read_image(self.files[row][0])), rows)
            thumbnails = np.stack(list(seen))
        unnamed = [self.records[row] for row in rows]
        guess_cases(unnamed, thumbnails)
        return {record.case for record in unnamed}

    def groups(self) -> list[list[int]]:
        """Rows that are read together, of those opened: here each image alone."""
        return [[row] for row in self.sample]

    def read(self, rows: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images (H, W, 3) uint8 and masks (H, W) of 0 and 1 of the rows."""
        return [read_pair(*self.files[row]) for row in rows]
