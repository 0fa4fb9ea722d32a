"""Preparing ten mixes for nnU-Net: on one preprocessing of the real set, and each on its own.

    python benchmarks/share_preprocessing.py --folder /tmp/mixes

The mixes are those of a study of four methods: real only, real + 0.5x and real + 1x of each, and
synthetic only. On its own means what nnU-Net's commands do: raw data set, fingerprint, plan,
preprocessed cases. Everything runs on one thread; nnU-Net's import, which is the same for both, is
left out of the times by importing its libraries first.
"""

import json
import os
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from workflow_src import (  # noqa: E402
    augment_real,
    make_phantoms,
    plan_nnunet,
    prepare_data,
    preprocess_synthetic,
    train_nnunet,
)
from workflow_src.common.command_line import run  # noqa: E402
from workflow_src.common.outputs import write_json  # noqa: E402
from workflow_src.data.prepared import PreparedSet  # noqa: E402
from workflow_src.downstream import environment as nnunet  # noqa: E402
from workflow_src.downstream.cases import dataset_json, preprocess_cases, write_raw  # noqa: E402
from workflow_src.study.downstream import Mix, NnunetRecipe  # noqa: E402

METHODS = ("uniform", "arsdm", "distillation", "law")
MIXES = {
    "real": Mix(),
    **{f"real_{m}_{r}": Mix(method=m, ratio=r) for m in METHODS for r in (0.5, 1.0)},
    "law_only": Mix(real=False, method="law"),
}


def share(data: Path, synthetic: dict[str, Path], folder: Path) -> None:
    """Plan and preprocess the real set once, each method's set once, and link the mixes."""
    plan_nnunet.main(data, folder / "plan", "polyp")
    for method, made in synthetic.items():
        preprocess_synthetic.main(made, folder / "plan", folder / method)
    for name, mix in MIXES.items():
        made = folder / mix.method if mix.method else None
        _, cases = train_nnunet.choose_cases(folder / "plan", mix, made)
        place = folder / "mixes" / name
        train_nnunet.assemble(folder / "plan", made, place, cases, NnunetRecipe(), seed=0)


def prepare_alone(data: Path, made: Path | None, mix: Mix, folder: Path) -> None:
    """One mix as a nnU-Net data set of its own."""
    prepared = PreparedSet(data)
    nnunet.set_environment(folder, 2)
    name = nnunet.dataset_name("polyp")
    raw, preprocessed = folder / "raw" / name, folder / "preprocessed" / name
    names = write_raw(prepared, prepared.rows("val"), "val", raw)
    if mix.real:
        names += write_raw(prepared, prepared.rows("train"), "real", raw)
    if made:
        wanted = round(mix.ratio * len(prepared.rows("train")))
        names += write_raw(PreparedSet(made), range(wanted), "synthetic", raw)
    description = dataset_json(prepared, len(names), "polyp")
    write_json(raw / "dataset.json", description)
    pixels = sum(PreparedSet(data).mask(0).size for _ in names)
    plans = plan_nnunet.plan(preprocessed, None, 1, pixels)
    cases = preprocessed / "nnUNetPlans_2d"
    preprocess_cases(names, raw, cases, plans, nnunet.CONFIGURATION, description, 1)


def timed(way, *arguments) -> np.ndarray:
    """Seconds (2,) of a call, by the clock and of processor time with its children's; what it
    imports is imported before."""
    import batchgeneratorsv2.transforms.utils.compose  # noqa: F401
    import blosc2  # noqa: F401
    import dynamic_network_architectures  # noqa: F401
    import SimpleITK  # noqa: F401
    import skimage.transform  # noqa: F401
    import torch

    torch.set_num_threads(1)
    start, used = time.perf_counter(), sum(os.times()[:4])
    way(*arguments)
    return np.array([time.perf_counter() - start, sum(os.times()[:4]) - used])


def alone(way, *arguments) -> np.ndarray:
    """`timed` in a process of its own: nnU-Net reads its variables once, on import."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(timed, way, *arguments).result()


def disk(folder: Path) -> float:
    """MiB that a folder takes on disk, a file of several links counted once."""
    files = {f.stat().st_ino: f.stat().st_blocks * 512 for f in folder.rglob("*") if f.is_file()}
    return sum(files.values()) / 2**20


def main(folder: Path, images: int = 110, size: int = 256) -> None:
    """Print a Markdown table.

    Args:
        folder: for everything; what an earlier call left is removed.
        images: real images, a tenth of them for validation.
        size: side length of the images.
    """
    shutil.rmtree(folder, ignore_errors=True)
    make_phantoms.main(folder / "raw", make_phantoms.Phantom(train=images, test=1, side=size))
    prepare_data.main(folder / "raw", folder / "data", prepare_data.Reading(), size=size)
    synthetic = {m: folder / "synthetic" / m for m in METHODS}  # the content is of no account
    for seed, made in enumerate(synthetic.values()):
        augment_real.main(folder / "data", made, per_mask=1.0, masks="training", seed=seed)

    together = folder / "together"
    shared = alone(share, folder / "data", synthetic, together)
    times = [
        alone(prepare_alone, folder / "data", synthetic.get(mix.method), mix, folder / "own" / name)
        for name, mix in MIXES.items()
    ]
    one, ten = disk(folder / "own" / "real"), disk(folder / "own")
    only = sum(disk(place / "preprocessed") for place in (folder / "own").iterdir())
    ours = disk(together)
    counts = {name: len(json.loads((together / "mixes" / name / "splits_final.json").read_text())
                        [0]["train"]) for name in MIXES}  # fmt: skip
    print(f"\n{images} images of {size} pixels; training cases: {counts}; {os.cpu_count()} cores\n")
    less = sum(times) / shared
    print("| | wall s | CPU s | disk MiB |\n|---|---|---|---|")
    print(f"| one mix on its own (real only) | {times[0][0]:.1f} | {times[0][1]:.1f} | {one:.1f} |")
    print(f"| ten mixes, each on its own | {sum(times)[0]:.1f} | {sum(times)[1]:.1f} | {ten:.1f} |")
    print(f"| the same without their raw data sets | | | {only:.1f} |")
    print(f"| ten mixes on shared preprocessing | {shared[0]:.1f} | {shared[1]:.1f} | {ours:.1f} |")
    print(f"| **times less** | **{less[0]:.1f}** | **{less[1]:.1f}** | **{ten / ours:.1f}** |")
    print(f"| times less, raw data sets not counted | | | {only / ours:.1f} |")


if __name__ == "__main__":
    run(main)
