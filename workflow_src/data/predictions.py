"""Predicted lesion maps of a prepared set, at the original sizes: what the evaluator reads.

levels.npy         flat uint8, image after image: probability × 255
predictions.json   which rows of which set, by which model
"""

from pathlib import Path

import numpy as np

from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.json_files import facts_of
from workflow_src.common.outputs import require_space, write_json
from workflow_src.data.arrays import check_file, large_sha256, opened_array
from workflow_src.data.prepared import PreparedSet


class PredictionWriter:
    """Write predictions row by row.

    Args:
        folder: an existing folder.
        prepared: the set predicted on.
        rows: which of its rows, in the order in which they come.
    """

    def __init__(self, folder: Path, prepared: PreparedSet, rows: np.ndarray):
        self.folder, self.prepared, self.rows = folder, prepared, rows
        total = sum(h * w for h, w in map(prepared.shape, rows))
        require_space(folder, total, f"the predictions in {folder}")
        self._file = open(folder / "levels.npy", "wb")  # noqa: SIM115 - closed by finish
        header = {"descr": "|u1", "fortran_order": False, "shape": (total,)}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._next = 0

    def put(self, probability: np.ndarray) -> None:
        """Store the next row's map (H, W) in [0, 1], at the image's original size.

        Raises:
            InputError: if the model predicts what is not a probability, such as NaN.
        """
        expected = self.prepared.shape(self.rows[self._next])
        if probability.shape != expected:
            raise ValueError(f"prediction of {probability.shape}, expected {expected}")
        if not (probability.min() >= 0 and probability.max() <= 1):  # nor NaN
            row = self.prepared.index.iloc[self.rows[self._next]]
            raise InputError(
                f"the model predicts {probability.min():g} to {probability.max():g} on "
                f"{row.source}/{row.stem}, which is not a probability: its weights are damaged, or "
                "its training diverged; train it again"
            )
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
            "spread_sha256": large_sha256([self.folder / "levels.npy"]),
            **facts,
        }
        write_json(self.folder / "predictions.json", marker)


class Predictions:
    """Predictions opened for reading.

    Args:
        folder: where they lie.
        prepared: the set that they were made on.

    Raises:
        InputError: if they were made on another set, or were changed or damaged since.
    """

    def __init__(self, folder: Path, prepared: PreparedSet):
        with facts_of(folder / "predictions.json") as facts:
            self.facts: dict = facts
            self.prepared, self.rows, made_on = prepared, facts["rows"], facts["data"]
            sha256, spread = facts["sha256"], facts.get("spread_sha256", {}).get("levels.npy")
        if made_on != prepared.meta["sha256"]:
            raise InputError(
                f"the predictions in {folder} were made on another set than {prepared.folder}: "
                "predict again"
            )
        pixels = [h * w for h, w in map(prepared.shape, self.rows)]
        self._starts = np.concatenate([[0], np.cumsum(pixels, dtype=np.int64)])
        self._levels = opened_array(folder / "levels.npy", (int(self._starts[-1]),))
        check_file(folder / "levels.npy", sha256, spread)

    def levels(self, number: int) -> np.ndarray:
        """Map (H, W) uint8 of the number-th predicted row."""
        start, stop = self._starts[number : number + 2]
        return self._levels[start:stop].reshape(self.prepared.shape(self.rows[number]))
