"""Plan nnU-Net on the real training images alone, and preprocess them once for all mixes."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from workflow_src.command import run
from workflow_src.data.prepared import PreparedSet, file_sha256
from workflow_src.downstream import environment as nnunet
from workflow_src.downstream.cases import dataset_json, preprocess_cases, write_raw
from workflow_src.downstream.recipes import Network
from workflow_src.runs import provenance, whole_folder, write_json


def main(
    data: Path, output: Path, lesion: str, network: Network | None = None, threads: int = 1
) -> None:
    """Plan and preprocess.

    Args:
        data: folder of the prepared set, of one size.
        output: folder of the plan and the preprocessed real cases.
        lesion: name of the foreground label.
        network: replaces the planned network.
        threads: processes to use.
    """
    prepared = PreparedSet(data)
    with whole_folder(output, "plan.json") as folder:
        nnunet.set_environment(folder, max(threads, 2))  # planning crashes with 0 workers
        name = nnunet.dataset_name(lesion)
        raw = folder / "raw" / name
        rows = prepared.rows("train", "val")
        names = write_raw(prepared, rows, "real", raw)
        description = dataset_json(prepared, len(names), lesion)
        write_json(raw / "dataset.json", description)
        pixels = sum(prepared.mask(row).size for row in rows)
        plans = plan(folder / "preprocessed" / name, network, threads, pixels)
        preprocessed = folder / "preprocessed" / name
        preprocess_cases(
            names, raw, folder / "cases", plans, nnunet.CONFIGURATION, description, threads
        )
        for file in ("dataset.json", "dataset_fingerprint.json"):
            shutil.copyfile(preprocessed / file, folder / file)
        write_json(folder / f"{nnunet.PLANS}.json", plans)
        shutil.rmtree(folder / "preprocessed")
        shutil.rmtree(folder / "raw")  # all further work is on the preprocessed cases
        by_split = {
            split: [n for n, r in zip(names, rows, strict=True) if prepared.index.split[r] == split]
            for split in ("train", "val")
        }
        facts = {
            "data": prepared.meta["sha256"],
            "dataset": name,
            "network": asdict(network) if network else None,
            "plans": file_sha256(folder / f"{nnunet.PLANS}.json"),
            "cases": by_split,
            "provenance": provenance("workflow_src.plan_nnunet"),
        }
        write_json(folder / "plan.json", facts)


def plan(preprocessed: Path, network: Network | None, threads: int, pixels: int) -> dict:
    """nnU-Net's plans of data set 1, its 2D network replaced where one is given."""
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import (
        DatasetFingerprintExtractor,
    )
    from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiment_dataset

    extractor = DatasetFingerprintExtractor(1, threads)
    # nnU-Net draws 10e7 values from any set, gigabytes also of a small one: no more than there are.
    drawn = min(extractor.num_foreground_voxels_for_intensitystats, pixels)
    extractor.num_foreground_voxels_for_intensitystats = drawn
    extractor.run(overwrite_existing=True)
    plan_experiment_dataset(1)
    plans = json.loads((preprocessed / f"{nnunet.PLANS}.json").read_text())
    # Only the 2D configuration is used; others would name networks that nobody trains.
    plans["configurations"] = {nnunet.CONFIGURATION: plans["configurations"][nnunet.CONFIGURATION]}
    if network:
        shrink(plans["configurations"][nnunet.CONFIGURATION], network)
    return plans


def shrink(configuration: dict, network: Network) -> None:
    """Replace the planned network, patch and batch in place."""
    stages = len(network.features)
    configuration["batch_size"] = network.batch_size
    configuration["patch_size"] = [network.patch_size] * 2
    configuration["architecture"]["arch_kwargs"] |= {
        "n_stages": stages,
        "features_per_stage": list(network.features),
        "kernel_sizes": [[3, 3]] * stages,
        "strides": [[1, 1]] + [[2, 2]] * (stages - 1),
        "n_conv_per_stage": [1] * stages,
        "n_conv_per_stage_decoder": [1] * (stages - 1),
    }


if __name__ == "__main__":
    run(main)
