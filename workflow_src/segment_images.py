"""Find lesions in a folder of images with a trained light segmenter.

    masks/<stem>.png          the lesion, 255 on 0, at the image's own size
    overlays/<stem>.png       the image with the lesion outlined
    probabilities/<stem>.png  where asked for: the lesion's probability, 0 to 255
    summary.csv               a row per image: its lesion's pixels and share
    segmentation.json         the model and settings

Called again, it writes the same files again, in place of all that an earlier call wrote.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json
from workflow_src.common.provenance import provenance
from workflow_src.data.image_files import image_files, read_image

SCRIPT, MARKER = "workflow_src.segment_images", "segmentation.json"
OUTLINE = (86, 180, 233)  # sky blue, rare in the body
OUTLINE_WIDTH = 1 / 150  # of the image's shorter side


def main(
    model: Path,
    images: Path,
    out: OutputFolder,
    threshold: float = 0.5,
    probabilities: bool = False,
) -> None:
    """Find lesions in a folder of images.

    Args:
        model: folder of the trained segmenter.
        images: folder of image files of any size: .png .jpg .jpeg .tif .tiff .bmp .webp, in
            colour or grey, 8 or 16 bit, with or without transparency. Pixels are taken as the file
            stores them, so that masks fit its pixels: a rotation that is only noted in EXIF is not
            made.
        out: folder for the results: a new or empty one, or that of an earlier call.
        threshold: probability from which a pixel is lesion.
        probabilities: write the probabilities too.
    """
    from workflow_src.common.training import best_device
    from workflow_src.segmentation.prediction import TrainedSegmenter

    files = image_files(images)
    check_output(out, images)
    if not 0 < threshold < 1:
        raise InputError(f"--threshold {threshold} must lie between 0 and 1")
    trained = TrainedSegmenter(model, best_device())
    kinds = ["masks", "overlays", *(["probabilities"] if probabilities else [])]
    rows, unread = [], []
    with whole_folder(out.resolve(), MARKER) as folder:
        for kind in kinds:
            (folder / kind).mkdir()
        for stem, file in tqdm(files.items(), unit="image"):
            try:
                image = read_image(file)
            except InputError as error:
                unread.append(error)
                continue
            (probability,) = trained.predict(image[None], [image.shape[:2]])
            mask = probability >= threshold
            pictures = {
                "masks": mask * np.uint8(255),
                "overlays": outlined(image, mask),
                "probabilities": np.rint(probability * 255).astype(np.uint8),
            }
            for kind in kinds:
                Image.fromarray(pictures[kind]).save(folder / kind / f"{stem}.png")
            rows.append([file.name, *mask.shape[::-1], int(mask.sum()), round(mask.mean(), 6)])
        names = ["file", "width", "height", "lesion_pixels", "lesion_fraction"]
        pd.DataFrame(rows, columns=names).to_csv(folder / "summary.csv", index=False)
        facts = {"model": trained.weights, "threshold": threshold}
        write_json(folder / MARKER, facts | {"provenance": provenance(SCRIPT, trained.place)})
        shutil.rmtree(out / "probabilities", ignore_errors=True)  # an earlier call's
    if unread:
        raise InputError(
            f"{len(unread)} of {len(files)} images could not be read, the rest is done: {unread[0]}"
        )


def check_output(out: Path, images: Path) -> None:
    """Refuse an output folder in which the images lie: they would be replaced."""
    if images.resolve().is_relative_to(out.resolve()):
        raise InputError(f"--images {images} is inside --out {out}: give another folder for --out")


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) uint8 with the outline of its mask (H, W) drawn along its inside."""
    from scipy.ndimage import binary_erosion

    width = max(1, round(min(mask.shape) * OUTLINE_WIDTH))
    picture = image.copy()
    picture[mask & ~binary_erosion(mask, iterations=width)] = OUTLINE
    return picture


if __name__ == "__main__":
    run(main)
