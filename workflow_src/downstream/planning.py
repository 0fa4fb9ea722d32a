"""nnU-Net's plans of a data set, their 2D network replaced where one is given."""

from pathlib import Path

from workflow_src.common.json_files import read_json
from workflow_src.common.outputs import write_json
from workflow_src.downstream import environment as nnunet
from workflow_src.study.downstream import Network

PLANNERS = {"m": "nnUNetPlannerResEncM", "l": "nnUNetPlannerResEncL", "xl": "nnUNetPlannerResEncXL"}


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
    return _used(preprocessed, network)


def plan_preset(folder: Path, name: str, preset: str, network: Network | None) -> dict:
    """nnU-Net's plans of data set 1 by a preset of residual encoders, from its fingerprint alone.

    In 2D the presets preprocess as the default planner does, so its cases serve them all.

    Args:
        folder: that nnU-Net was pointed at; raw/ and preprocessed/ in it have the data set's
            description, and preprocessed/ its fingerprint.
        name: the data set's folder name.
        preset: of PLANNERS.
        network: replaces the planned network.
    """
    from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiments

    description = folder / "raw" / name / "dataset.json"
    content = read_json(description)
    # The planner lists the images, and opens none.
    content["dataset"] = {"any": {"images": ["any.png"], "label": "any.png"}}
    write_json(description, content)
    plan_experiments([1], PLANNERS[preset], overwrite_plans_name=nnunet.PLANS)
    return _used(folder / "preprocessed" / name, network)


def _used(preprocessed: Path, network: Network | None) -> dict:
    plans = read_json(preprocessed / f"{nnunet.PLANS}.json")
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
    kwargs = configuration["architecture"]["arch_kwargs"]
    layers = "n_blocks_per_stage" if "n_blocks_per_stage" in kwargs else "n_conv_per_stage"
    kwargs |= {
        "n_stages": stages,
        "features_per_stage": list(network.features),
        "kernel_sizes": [[3, 3]] * stages,
        "strides": [[1, 1]] + [[2, 2]] * (stages - 1),
        layers: [1] * stages,
        "n_conv_per_stage_decoder": [1] * (stages - 1),
    }
