"""nnU-Net's trainer with length, seed and safe checkpoints; found through nnUNet_extTrainer.

Its settings travel in the plans, under "workflow": epochs, iterations, validation_iterations,
checkpoint_every, seed.
"""

import csv
import hashlib
import os
import random

import numpy as np
import torch
from batchgenerators.dataloading.multi_threaded_augmenter import MultiThreadedAugmenter
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as base

from workflow_src.downstream.checkpoints import allow_numbers

allow_numbers()  # in each process that resumes a training

COLUMNS = {
    "train_loss": "train_losses",
    "validation_loss": "val_losses",
    "pseudo_dice": "mean_fg_dice",
    "learning_rate": "lrs",
}


def seed_all(*key: int | str) -> None:
    """Seed all that nnU-Net draws from by a key, such as (seed, rank, "train", batch number)."""
    seed = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4], "little")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class NumberedLoader(nnUNetDataLoader):
    """nnU-Net's loader, drawing each batch by its number: whichever worker makes it, and when.

    A resumed run sees the batches that an uninterrupted one would see, and no two ranks see the
    same ones. `key` names seed, rank and kind; `first` is the number of the first batch; `workers`
    take turns.
    """

    key: tuple = ()
    first, workers, made = 0, 1, 0

    def generate_train_batch(self):
        number = self.first + self.thread_id + self.made * self.workers
        self.made += 1
        seed_all(*self.key, number)
        return super().generate_train_batch()


class InOrder(MultiThreadedAugmenter):
    """nnU-Net's workers, asked in turn, not raced against one another."""

    def __init__(self, data_loader, transform, num_processes, num_cached, seeds=None,
                 pin_memory=False, wait_time=0.02):  # fmt: skip
        data_loader.workers = num_processes
        cached = max(1, num_cached // num_processes)
        super().__init__(data_loader, transform, num_processes, cached, seeds, pin_memory)


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
        seed_all(settings["seed"], "weights")

    def get_dataloaders(self):
        """nnU-Net's loaders of numbered batches; it throws one of each away to get them started."""
        lengths = iter(
            [
                ("train", self.num_iterations_per_epoch),
                ("validation", self.num_val_iterations_per_epoch),
            ]
        )

        def loader(*given, **named):
            made = NumberedLoader(*given, **named)
            kind, length = next(lengths)
            made.key = (self.settings["seed"], self.local_rank, kind)
            made.first = self.current_epoch * length - 1
            return made

        base.nnUNetDataLoader, base.NonDetMultiThreadedAugmenter = loader, InOrder
        return super().get_dataloaders()

    def plot_network_architecture(self):
        """Left out: it needs a library that nnU-Net does not install."""

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
