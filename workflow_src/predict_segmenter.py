"""Predict a prepared set with a trained light segmenter."""

from pathlib import Path
from typing import Literal

import numpy as np
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.outputs import OutputFolder, whole_folder
from workflow_src.common.provenance import provenance
from workflow_src.data.predictions import PredictionWriter
from workflow_src.data.prepared import PreparedSet

SCRIPT = "workflow_src.predict_segmenter"


def main(
    model: Path,
    data: Path,
    output: OutputFolder,
    split: Literal["train", "val", "test"] = "test",
    batch: PositiveInt = 16,
) -> None:
    """Predict a prepared set.

    Args:
        model: folder of the trained segmenter.
        data: folder of the prepared set: of the model's size, or native for one trained on crops.
        output: folder of the predictions.
        split: which images.
        batch: images predicted at once, where they are of one size.
    """
    from workflow_src.common.training import best_device
    from workflow_src.segmentation.prediction import TrainedSegmenter

    prepared = PreparedSet(data)
    rows = prepared.rows(split)
    trained = TrainedSegmenter(model, best_device())
    together = batch if prepared.size is not None else 1
    with whole_folder(output, "predictions.json") as folder:
        writer = PredictionWriter(folder, prepared, rows)
        for start in tqdm(range(0, len(rows), together), unit="batch"):
            part = rows[start : start + together]
            images = np.stack([prepared.image(row) for row in part])
            for probability in trained.predict(images, [prepared.shape(row) for row in part]):
                writer.put(probability)
        writer.finish({"model": trained.weights, "provenance": provenance(SCRIPT, trained.place)})


if __name__ == "__main__":
    run(main)
