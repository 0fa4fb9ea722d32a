"""Write phantom image sets to disk in the raw layouts that users have: PraNet's and KiTS19's."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image
from tqdm import tqdm

from workflow_src.common.command_line import run
from workflow_src.common.outputs import OutputFolder, whole_folder, write_json, write_text
from workflow_src.data.phantoms import kidney_phantom, polyp_phantom
from workflow_src.study.phantoms import Phantom

# The test sets differ in their habits, as real ones do: folder names, suffixes, JPEG masks.
TEST_SETS = {"Phantom-A": ("images", "masks", ".png", ".jpg"),
             "Phantom-B": ("image", "mask", ".TIF", ".bmp")}  # fmt: skip


def _save_image(array: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"quality": 90} if path.suffix == ".jpg" else {}
    Image.fromarray(array).save(path, **options)


def write_polyps(folder: Path, phantom: Phantom) -> None:
    """Write TrainDataset/ and TestDataset/<set>/ of polyp photographs, sizes varying."""
    plan = [("TrainDataset", ("images", "masks", ".png", ".png"), phantom.train)]
    plan += [(f"TestDataset/{name}", habits, phantom.test) for name, habits in TEST_SETS.items()]
    with tqdm(total=sum(count for *_, count in plan), unit="image") as bar:
        for part, (place, (images, masks, image_suffix, mask_suffix), count) in enumerate(plan):
            for number in range(count):
                rng = np.random.default_rng([phantom.seed, part, number])
                height = phantom.side + int(rng.integers(0, phantom.side // 6))
                image, mask = polyp_phantom(rng, (height, height + phantom.side // 8))
                _save_image(image, folder / place / images / f"{number}{image_suffix}")
                _save_image(mask * 255, folder / place / masks / f"{number}{mask_suffix}")
                bar.update()
            stems = "".join(f"{number},{place}/{number}\n" for number in range(count))
            write_text(folder / place / "cases.csv", f"stem,case\n{stems}")  # patients of one image


def write_kidneys(folder: Path, phantom: Phantom) -> None:
    """Write case_XXXXX/ folders of CT volumes; every other case carries a tumour."""
    affine = np.array(  # array order (slices, rows to posterior, columns to the left), as KiTS19's
        [[0, 0, -4.0, 0], [0, -4.0, 0, 0], [30.0, 0, 0, 0], [0, 0, 0, 1]]
    )
    for number in tqdm(range(phantom.cases), unit="case"):
        rng = np.random.default_rng([phantom.seed, number])
        shape = (phantom.slices, phantom.side, phantom.side)
        volume, labels = kidney_phantom(rng, shape, tumour=number % 2 == 0)
        case = folder / f"case_{number:05d}"
        case.mkdir()
        nib.save(nib.Nifti1Image(volume, affine), case / "imaging.nii.gz")
        nib.save(nib.Nifti1Image(labels, affine), case / "segmentation.nii.gz")


def main(output: OutputFolder, phantom: Phantom) -> None:
    """Write a phantom set.

    Args:
        output: folder of the raw set.
        phantom: what to draw.
    """
    with whole_folder(output, "source.json") as folder:
        (write_polyps if phantom.kind == "polyps" else write_kidneys)(folder, phantom)
        write_json(folder / "source.json", {"source": "phantoms", "phantom": phantom.complete()})


if __name__ == "__main__":
    run(main)
