"""Predicted lesion maps of a prepared set, at the original sizes: what the evaluator reads.

levels.npy         flat uint8, image after image: probability × 255
predictions.json   which rows of which set, by which model
"""

import json
from pathlib import Path

import numpy as np

from workflow_src.common.errors import InputError
from workflow_src.common.json_files import facts_of
from workflow_src.data.prepared import PreparedSet, file_sha256


class PredictionWriter:
    """Write predictions row by row.

    Args:
        folder: an existing folder.
        prepared: the set predicted on.
        rows: which of its rows, in the order in which they come.
    """

    def __init__(self, folder: Path, prepared: PreparedSet, rows: np.ndarray):
        self.folder, self.prepared, self.rows = folder, prepared, rows
        self._file = open(folder / "levels.npy", "wb")  # noqa: SIM115 - closed by finish
        total = sum(h * w for h, w in map(prepared.shape, rows))
        header = {"descr": "|u1", "fortran_order": False, "shape": (total,)}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._next = 0

    def put(self, probability: np.ndarray) -> None:
        """Store the next row's map (H, W) in [0, 1], at the image's original size."""
        expected = self.prepared.shape(self.rows[self._next])
        if probability.shape != expected:
            raise ValueError(f"prediction of {probability.shape}, expected {expected}")
        self._file.write(np.rint(probability * 255).astype(np.uint8).tobytes())
        self._next += 1

    def finish(self, facts: dict) -> None:
        """Close the file and write the marker."""
        self._file.close()
        if self._next != len(self.rows):
            raise ValueError(f"{self._next} predictions of {len(self.rows)}")
        marker = {
            "data": self.prepared.meta["sha256"],
            "rows": self.rows.tolist(),
            "sha256": file_sha256(self.folder / "levels.npy"),
            **facts,
        }
        (self.folder / "predictions.json").write_text(json.dumps(marker, indent=2) + "\n")


class Predictions:
    """Predictions opened for reading.

    Args:
        folder: where they lie.
        prepared: the set that they were made on.

    Raises:
        InputError: if they were made on another set.
    """

    def __init__(self, folder: Path, prepared: PreparedSet):
        with facts_of(folder / "predictions.json") as facts:
            self.facts: dict = facts
            self.prepared, self.rows, made_on = prepared, facts["rows"], facts["data"]
        if made_on != prepared.meta["sha256"]:
            raise InputError(
                f"the predictions in {folder} were made on another set than {prepared.folder}: "
                "predict again"
            )
        self._levels = np.load(folder / "levels.npy", mmap_mode="r")
        pixels = [h * w for h, w in map(prepared.shape, self.rows)]
        self._starts = np.concatenate([[0], np.cumsum(pixels)])

    def levels(self, number: int) -> np.ndarray:
        """Map (H, W) uint8 of the number-th predicted row."""
        start, stop = self._starts[number : number + 2]
        return self._levels[start:stop].reshape(self.prepared.shape(self.rows[number]))
