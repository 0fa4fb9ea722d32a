"""Predict a prepared set with a trained nnU-Net."""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import OutputFolder, whole_folder
from workflow_src.common.provenance import provenance
from workflow_src.data.arrays import check_made
from workflow_src.data.predictions import PredictionWriter
from workflow_src.data.prepared import PreparedSet
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.checkpoints import load_checkpoint


def main(
    model: Path,
    data: Path,
    output: OutputFolder,
    mirror: bool,
    split: Literal["train", "val", "test"] = "test",
) -> None:
    """Predict a prepared set.

    Args:
        model: folder of the trained nnU-Net.
        data: folder of the prepared set, of the size that the model was trained on.
        output: folder of the predictions.
        mirror: average over mirrored images.
        split: which images.
    """
    nnunet.set_environment(model, threads=1)
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    cuda = torch.cuda.is_available()
    predictor = nnUNetPredictor(
        use_mirroring=mirror,
        perform_everything_on_device=cuda,
        device=torch.device("cuda" if cuda else "cpu"),
        allow_tqdm=False,
    )
    check_made(model / "recipe.json")
    load_checkpoint(model / f"fold_{nnunet.FOLD}" / "checkpoint_final.pth")  # refused in one line
    predictor.initialize_from_trained_model_folder(str(model), (nnunet.FOLD,))
    prepared = PreparedSet(data)
    rows = prepared.rows(split)
    with whole_folder(output, "predictions.json") as folder:
        writer = PredictionWriter(folder, prepared, rows)
        for row in tqdm(rows, unit="image"):
            # As nnU-Net's reader hands over a PNG: (C, 1, H, W), unit spacing.
            image = prepared.image(row).transpose(2, 0, 1)[:, None].astype(np.float32)
            _, probabilities = predictor.predict_single_npy_array(
                image, {"spacing": (999, 1, 1)}, save_or_return_probabilities=True
            )
            height, width = prepared.shape(row)
            lesion = Image.fromarray(probabilities[1, 0].astype(np.float32))
            resized = lesion.resize((width, height), Image.Resampling.BILINEAR)
            writer.put(np.clip(np.asarray(resized), 0, 1))
        writer.finish(
            {
                "model": file_sha256(model / "fold_0" / "checkpoint_final.pth"),
                "provenance": provenance("workflow_src.predict_nnunet"),
            }
        )


if __name__ == "__main__":
    run(main)
