"""Prepared sets in nnU-Net's raw layout, and cases preprocessed by nnU-Net's own preprocessor."""

import multiprocessing
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from workflow_src.common.errors import InputError
from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import write_json
from workflow_src.data.arrays import check_file, check_made, file_hashes, file_sha256
from workflow_src.data.prepared import PreparedSet

CHANNELS = {1: {"0": "CT"}, 3: {"0": "R", "1": "G", "2": "B"}}  # CT has its own normalisation


ENDINGS = (".b2nd", "_seg.b2nd", ".pkl")  # of a preprocessed case's files


ARRAYS = ("ndarray", "dtype", "_reconstruct", "scalar")  # by numpy's names, when pickled
HASHES = "hashes.json"  # of the cases, beside them: a marker that held them all would be too large


class _Plain(pickle.Unpickler):
    """Takes numbers, texts, containers and numpy's arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in ARRAYS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


def check_properties(file: Path) -> None:
    """See that a case's properties are data: nnU-Net unpickles them, which would run any code.

    Raises:
        InputError: if not.
    """
    try:
        with open(file, "rb") as opened:
            _Plain(opened).load()
    except FileNotFoundError:
        raise
    except Exception as error:  # of what kind depends on where a reader stumbled
        raise InputError(
            f"{file} is damaged, or holds code that loading it would run: remove its folder and "
            "preprocess the cases again"
        ) from error


def case_name(kind: str, row: int) -> str:
    """nnU-Net's identifier of an image: "real_000012"."""
    return f"{kind}_{row:06d}"


def bytes_needed(prepared: PreparedSet, rows: np.ndarray) -> int:
    """Disk space that rows take as raw PNGs and as preprocessed cases: 32-bit images and a label,
    all packed, by no more than this."""
    pixels = sum(prepared.mask(row).size for row in rows)
    return pixels * (5 * prepared.channels + 2)


def write_raw(prepared: PreparedSet, rows: np.ndarray, kind: str, folder: Path) -> list[str]:
    """Write rows as lossless PNG into imagesTr/ and labelsTr/, labels 0 and 1.

    Returns:
        The identifiers, in order.
    """
    images, labels = folder / "imagesTr", folder / "labelsTr"
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    names = [case_name(kind, row) for row in rows]
    for row, name in zip(rows, names, strict=True):
        Image.fromarray(prepared.image(row).squeeze()).save(images / f"{name}_0000.png")
        Image.fromarray(prepared.mask(row)).save(labels / f"{name}.png")
    return names


def dataset_json(prepared: PreparedSet, cases: int, lesion: str) -> dict:
    """nnU-Net's description of a data set."""
    return {
        "channel_names": CHANNELS[prepared.channels],
        "labels": {"background": 0, lesion: 1},
        "numTraining": cases,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }


def _preprocess_case(task: tuple) -> None:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    name, raw, folder, plans, configuration, description = task
    manager = PlansManager(plans)
    settings = manager.get_configuration(configuration)
    settings.preprocessor_class(verbose=False).run_case_save(
        str(folder / name),
        [str(raw / "imagesTr" / f"{name}_0000.png")],
        str(raw / "labelsTr" / f"{name}.png"),
        manager,
        settings,
        description,
    )


def preprocess_cases(
    names: list[str],
    raw: Path,
    folder: Path,
    plans: dict,
    configuration: str,
    description: dict,
    threads: int,
) -> None:
    """Preprocess raw cases with nnU-Net's preprocessor by a given plan.

    Args:
        names: identifiers of the cases.
        raw: holds imagesTr/ and labelsTr/.
        folder: where the cases go.
        plans: nnU-Net's plans.
        configuration: "2d".
        description: dataset.json.
        threads: processes; with one, no other is started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [(name, raw, folder, plans, configuration, description) for name in names]
    if threads == 1:
        for task in tqdm(tasks, unit="case"):
            _preprocess_case(task)
        return
    with multiprocessing.get_context("spawn").Pool(threads) as pool:
        for _ in tqdm(pool.imap_unordered(_preprocess_case, tasks, 8), total=len(tasks)):
            pass


def written(folder: Path) -> dict[str, str]:
    """Write hashes.json of the cases in a folder.

    Returns:
        Hashes of the files beside the cases, that one among them.
    """
    write_json(folder / HASHES, file_hashes(folder / "cases"))
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}


def link_cases(names: list[str], marker: Path, target: Path) -> None:
    """Hard-link preprocessed cases into another folder, or copy them across disks.

    Args:
        names: identifiers of the cases.
        marker: the json file of the step that preprocessed them, into cases/ beside it.
        target: the folder.

    Raises:
        InputError: if a file is not the one that was written, or holds code.
    """
    check_made(marker, HASHES)
    hashes = read_json(marker.with_name(HASHES))
    for name in names:
        for ending in ENDINGS:
            file = marker.parent / "cases" / f"{name}{ending}"
            place = target / file.name
            check_file(file, hashes[file.name])
            if ending == ".pkl":
                check_properties(file)
            if place.exists():
                continue
            try:
                os.link(file, place)
            except OSError:
                shutil.copyfile(file, place)
