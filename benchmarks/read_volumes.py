"""Reading big CT volumes: the workflow's reader against nibabel's get_fdata().

    python benchmarks/read_volumes.py --folder /tmp/volumes

Draws a case of 800 slices of 512 x 512 in each type, then prepares its lesion slices at 384 pixels
three ways, each in a process of its own whose largest memory is taken: with get_fdata() reading
alone, with get_fdata() and the same windowing and resizing, and with the workflow's reader (which
also checks the labels, and reads them twice).
"""

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from inspect import signature
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402

from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.data.kits19 import KiTS19  # noqa: E402
from workflow_src.data.phantoms import kidney_phantom  # noqa: E402
from workflow_src.data.prepared import resize_image, resize_mask  # noqa: E402
from workflow_src.study.reading import Reading  # noqa: E402

SIZE, LOW, HIGH = 384, -160.0, 240.0


def write_volume(case: Path, dtype: str, slices: int) -> None:
    """A case of the given number of slices, 3/8 of which show a kidney, in KiTS19's axis order."""
    rng = np.random.default_rng(0)
    base, labels = kidney_phantom(rng, (8, 512, 512), tumour=True)
    volume = np.empty((slices, 512, 512), dtype)
    shown = np.zeros((slices, 512, 512), np.uint8)
    for number in range(slices):
        noise = rng.integers(-15, 16, (512, 512), dtype=np.int16)
        volume[number] = base[number * 8 // slices] + noise
        if slices * 5 // 16 <= number < slices * 11 // 16:
            shown[number] = labels[number * 8 // slices]
    affine = np.array([[0, 0, -0.8, 0], [0, -0.8, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])
    case.mkdir(parents=True)
    nib.save(nib.Nifti1Image(volume, affine), case / "imaging.nii.gz")
    nib.save(nib.Nifti1Image(shown, affine), case / "segmentation.nii.gz")


def get_fdata(case: Path) -> int:
    """Both volumes in memory, as get_fdata() gives them, and no more; slices read."""
    scan = nib.load(case / "imaging.nii.gz").get_fdata()
    labels = nib.load(case / "segmentation.nii.gz").get_fdata()
    return len(scan) if scan.shape == labels.shape else 0


def get_fdata_prepared(case: Path) -> int:
    """The lesion slices, windowed and resized one by one; slices made."""
    scan = nib.load(case / "imaging.nii.gz").get_fdata()
    labels = nib.load(case / "segmentation.nii.gz").get_fdata()
    numbers = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    for number in numbers:
        grey = np.rint(np.clip((scan[number] - LOW) / (HIGH - LOW), 0, 1) * 255)
        resize_image(grey.astype(np.uint8)[..., None], SIZE)
        resize_mask((labels[number] > 0).astype(np.uint8), SIZE)
    return len(numbers)


def workflow(case: Path) -> int:
    """The same slices, by the workflow's reader; slices made."""
    settings = vars(Reading(window=(LOW, HIGH), validation_fraction=0.0)) | {"test_fraction": 0}
    known = signature(KiTS19).parameters
    raw = KiTS19(case.parent, **{key: value for key, value in settings.items() if key in known})
    (rows,) = raw.groups()
    for image, mask in raw.read(rows):
        resize_image(image, SIZE)
        resize_mask(mask, SIZE)
    return len(rows)


def measured(way, case: Path) -> tuple[float, float, float, int]:
    """Seconds, seconds of processor time, largest memory in GiB, slices."""
    start, used = time.perf_counter(), time.process_time()
    slices = way(case)
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return seconds, processor, peak, slices


def main(folder: Path, slices: int = 800, repeats: int = 2) -> None:
    """Print a Markdown table.

    Args:
        folder: for the drawn volumes; those that are there are used again.
        slices: of each volume.
        repeats: of so many runs the one with the least processor time counts.
    """
    print("| stored as | reader | wall s | CPU s | lesion slices per CPU s | memory GiB |"
          " workflow is faster, CPU | wall |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for dtype in ("int16", "float64"):
        case = folder / dtype / "case_00000"
        if not case.is_dir():
            write_volume(case, dtype, slices)
        found = {}
        for way in (get_fdata, get_fdata_prepared, workflow):
            runs = []
            for _ in range(repeats):
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    runs.append(pool.submit(measured, way, case).result())
            found[way.__name__] = min(runs, key=lambda run: run[1])
        for name, (seconds, processor, peak, _) in found.items():
            ours, ours_processor, _, made = found["workflow"]
            print(
                f"| {dtype} | {name} | {seconds:.1f} | {processor:.1f} | {made / processor:.0f} "
                f"| {peak:.2f} | {processor / ours_processor:.1f} x | {seconds / ours:.1f} x |",
                flush=True,
            )


if __name__ == "__main__":
    run(main)
