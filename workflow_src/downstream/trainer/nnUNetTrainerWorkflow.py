"""nnU-Net's trainer with length, seed and safe checkpoints; found through nnUNet_extTrainer.

Its settings travel in the plans, under "workflow": epochs, iterations, validation_iterations,
checkpoint_every, seed.
"""

import csv
import os
import random

import numpy as np
import torch
from batchgenerators.dataloading.multi_threaded_augmenter import MultiThreadedAugmenter
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as base

COLUMNS = {
    "train_loss": "train_losses",
    "validation_loss": "val_losses",
    "pseudo_dice": "mean_fg_dice",
    "learning_rate": "lrs",
}


class nnUNetTrainerWorkflow(base.nnUNetTrainer):
    """The default trainer, made to length, seeded, and safe to kill."""

    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):  # noqa: B008
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.settings = settings = plans["workflow"]
        self.num_epochs = settings["epochs"]
        self.num_iterations_per_epoch = settings["iterations"]
        self.num_val_iterations_per_epoch = settings["validation_iterations"]
        self.save_every = settings["checkpoint_every"]
        # Of two stages only one output is left, whose weight nnU-Net sets to 0, then divides by it.
        stages = self.configuration_manager.network_arch_init_kwargs["n_stages"]
        self.enable_deep_supervision = stages > 2
        self.logger.plot_progress_png = lambda folder: None  # log.csv says the same
        self._seed(0)

    def _seed(self, epoch: int) -> None:
        """Seed everything for an epoch, so that a resumed run draws what an unbroken one draws."""
        seed = self.settings["seed"] * 1_000_003 + epoch
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)

    def get_dataloaders(self):
        """nnU-Net's loaders, with ordered and seeded workers in place of racing ones."""
        first = self.settings["seed"] * 1000

        class Seeded(MultiThreadedAugmenter):
            def __init__(self, data_loader, transform, num_processes, num_cached, seeds=None,
                         pin_memory=False, wait_time=0.02):  # fmt: skip
                seeds = [first + worker for worker in range(num_processes)]
                cached = max(1, num_cached // num_processes)
                super().__init__(data_loader, transform, num_processes, cached, seeds, pin_memory)

        base.NonDetMultiThreadedAugmenter = Seeded
        return super().get_dataloaders()

    def plot_network_architecture(self):
        """Left out: it needs a library that nnU-Net does not install."""

    def on_epoch_start(self):
        self._seed(self.current_epoch + 1)
        super().on_epoch_start()

    def on_epoch_end(self):
        super().on_epoch_end()
        if self.local_rank == 0:
            self._write_log()

    def _write_log(self) -> None:
        """log.csv: a row per epoch, made anew from nnU-Net's own log, kept in its checkpoints."""
        path = os.path.join(self.output_folder, "log.csv")
        with open(path + ".partial", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["step", *COLUMNS])
            for epoch in range(self.current_epoch):
                values = [self.logger.get_value(key, step=epoch) for key in COLUMNS.values()]
                writer.writerow([epoch + 1, *(f"{value:.6g}" for value in values)])
        os.replace(path + ".partial", path)

    def save_checkpoint(self, filename: str) -> None:
        """Write beside, then rename: a kill leaves the old checkpoint or the new one."""
        super().save_checkpoint(filename + ".partial")
        if self.local_rank == 0 and not self.disable_checkpointing:
            os.replace(filename + ".partial", filename)

    def perform_actual_validation(self, save_probabilities: bool = False):
        """Left out: the workflow predicts and scores for itself."""
