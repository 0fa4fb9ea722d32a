"""nnU-Net's plan of a data set, its 2D network replaced where one is given."""

import json
from pathlib import Path

from workflow_src.downstream import environment as nnunet
from workflow_src.study.downstream import Network


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
