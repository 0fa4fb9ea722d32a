"""nnU-Net is steered by environment variables: set here, whatever the user's shell says."""

import logging
import os
from pathlib import Path

from workflow_src.common.compilers import why_not_compile

log = logging.getLogger(__name__)

PLANS, CONFIGURATION, FOLD = "nnUNetPlans", "2d", 0
TRAINER = "nnUNetTrainerWorkflow"
TRAINER_FOLDER = Path(__file__).parent / "trainer"


def dataset_name(name: str) -> str:
    """nnU-Net's folder name of a data set."""
    return f"Dataset001_{name}"


def set_environment(folder: Path, threads: int) -> None:
    """Point nnU-Net at a folder. Call it before anything of nnunetv2 is imported.

    Args:
        folder: gets `raw/`, `preprocessed/` and `results/` beneath.
        threads: what the job may use. Augmentation gets all but one of them as workers; with one
            thread it runs in the training process itself, which 0 workers mean to nnU-Net.
    """
    lacking = why_not_compile(on_gpu=True)  # on a CPU nnU-Net does not compile
    if lacking:
        log.info("nnU-Net's network is not compiled: %s", lacking)
    for name in [n for n in os.environ if n.startswith("nnUNet")]:
        del os.environ[name]
    os.environ |= {
        "nnUNet_raw": str((folder / "raw").absolute()),
        "nnUNet_preprocessed": str((folder / "preprocessed").absolute()),
        "nnUNet_results": str((folder / "results").absolute()),
        "nnUNet_extTrainer": str(TRAINER_FOLDER),
        "nnUNet_n_proc_DA": str(max(threads - 1, 0)),
        "nnUNet_def_n_proc": str(max(threads, 1)),
        # Over nnU-Net's own word: a checkpoint is data, and data run no code.
        "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    }
    if lacking:  # left unset, trainings on a GPU compile, and predictions do not
        os.environ |= {"nnUNet_compile": "f"}
