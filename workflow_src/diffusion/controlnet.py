"""Training a ControlNet by any of the methods: one loop, from one process to a node of GPUs."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from workflow_src.common.compilers import why_not_compile
from workflow_src.common.errors import InputError
from workflow_src.common.journal import Journal, summed_up
from workflow_src.common.resumable import State
from workflow_src.common.training import (
    generator_for,
    memory_for,
    moving_average,
    resume,
    rows_of_step,
    set_rate,
    training_steps,
)
from workflow_src.data.prepared import PreparedSet
from workflow_src.diffusion.backbone import DTYPES
from workflow_src.diffusion.latents import Latents
from workflow_src.diffusion.noising import noisy_batch
from workflow_src.diffusion.objective import Batch, Objective
from workflow_src.diffusion.updating import (
    new_accelerator,
    new_objective,
    new_optimizer,
    update,
)
from workflow_src.study.synthesis import ControlNetRecipe

MEMORY_KEY = (
    "set `gradient_checkpointing: true`, `optimizer_state: host` or precision bf16, or lower "
    "`micro_batch` (batch_size and the result stay); docs/cluster.md says what fits where"
)
SNAPSHOT_T = 500  # timestep at which δ is drawn for Figure 8


class TrainingData:
    """Latents, masks and images of the training rows, the first two whole on the device."""

    def __init__(self, prepared: PreparedSet, latents: Latents, device):
        if latents.data != prepared.meta["sha256"]:
            raise InputError(
                f"the latents were cached from another prepared set than {prepared.folder}: "
                "cache them again with `python -m workflow_src.cache_latents`"
            )
        self.rows = prepared.rows("train")
        self.prepared, self.device = prepared, device
        self.mean, self.std = latents.mean.to(device), latents.std.to(device)
        self.text, self.empty = latents.text.to(device), latents.empty.to(device)
        self.masks = torch.from_numpy(prepared.masks[self.rows]).unsqueeze(1).to(device)

    def images(self, rows: Tensor) -> Tensor:
        """Images of training rows, (B, 3, H, W) in [0, 1]: the teacher's hint."""
        taken = np.ascontiguousarray(self.prepared.images[self.rows[rows.numpy()]])
        tensor = torch.from_numpy(taken).to(self.device).permute(0, 3, 1, 2)
        return tensor.expand(-1, 3, -1, -1).float() / 255

    def batch(
        self, step: int, recipe: ControlNetRecipe, schedule: DDPMScheduler, seed: int, share: slice
    ) -> Batch:
        """What a step trains on: a process's share of a batch drawn whole, whatever the shares."""
        rows = rows_of_step(step, recipe.batch_size, len(self.rows), seed)
        there = rows.to(self.device)
        batch = noisy_batch(
            self.mean[there], self.std[there], self.text, self.empty, schedule,
            recipe.prompt_dropout, generator_for(seed, "noise", step),
        )  # fmt: skip
        batch = {name: value[share] for name, value in batch.items()}
        batch["mask"] = self.masks[there[share]].float()
        if recipe.teacher:
            batch["image"] = self.images(rows[share])
        return batch


def passes_per_step(recipe: ControlNetRecipe, processes: int) -> int:
    """Forward and backward passes that each process accumulates into one update.

    Raises:
        InputError: if batch_size is not a multiple of micro_batch times the processes.
    """
    together = recipe.micro_batch * processes
    if recipe.batch_size % together:
        raise InputError(
            f"batch_size {recipe.batch_size} is not a multiple of micro_batch {recipe.micro_batch} "
            f"x {processes} process(es): change batch_size or micro_batch"
        )
    return recipe.batch_size // together


def require_fit(recipe: ControlNetRecipe, size: int | None, side: int) -> None:
    """See that the hint encoder brings masks of one size to latents of the other.

    Raises:
        InputError: if it has another number of levels than the autoencoder.
    """
    levels = len(recipe.hint_channels)
    if size != side * 2 ** (levels - 1):
        raise InputError(
            f"hint_channels has {levels} entries, for an autoencoder that makes latents of "
            f"{size} / {2 ** (levels - 1)} pixels, but this one makes them of {side}: give one "
            "entry per halving, and one more"
        )


def train_controlnet(
    unet: UNet2DConditionModel,
    schedule: DDPMScheduler,
    prepared: PreparedSet,
    latents: Latents,
    recipe: ControlNetRecipe,
    seed: int,
    state: State,
    preview: Callable[[int, Objective], None] | None = None,
) -> Objective | None:
    """Train a method.

    Args:
        unet: the backbone's UNet, frozen.
        schedule: the backbone's noise schedule.
        prepared: the training set.
        latents: its cache.
        recipe: the method.
        seed: of weights, order and noise.
        state: checkpoints, log and snapshots.
        preview: called with (step, objective) every `preview_every` steps.

    Returns:
        The trained objective on the CPU, its moving average if the recipe keeps one; None in every
        process but the first.

    Raises:
        FloatingPointError: naming the step and its data rows, if the loss is not finite.
        InputError: if the batch does not divide, the hint encoder does not fit the autoencoder,
            nothing would train a weighting, or the memory is too small.
    """
    accelerator = new_accelerator(recipe)
    device = accelerator.device
    passes = passes_per_step(recipe, accelerator.num_processes)
    require_fit(recipe, prepared.size, latents.mean.shape[-1])
    data = TrainingData(prepared, latents, device)
    torch.manual_seed(seed)
    bare = new_objective(unet, recipe, device)
    objective, optimizer = accelerator.prepare(bare, new_optimizer(bare, recipe))
    average = moving_average(bare, recipe.ema) if recipe.ema else None
    parts = {"objective": bare, "optimizer": optimizer}
    parts |= {"average": average} if average else {}
    parts |= {"scaler": accelerator.scaler} if accelerator.scaler else {}
    if recipe.compile:
        lacking = why_not_compile(device.type == "cuda")
        if lacking:
            raise InputError(f"`compile` is set, but there is {lacking}: unset it or install that")
        bare.compile()

    def rows_named(step: int) -> list[int]:
        return data.rows[rows_of_step(step, recipe.batch_size, len(data.rows), seed)].tolist()

    file = state.folder / "log.csv" if accelerator.is_main_process else None
    journal = Journal(file, recipe.log_every, rows_named)
    start = resume(state, parts, journal)
    snapshots = {0, recipe.steps // 2}
    # Contiguous, so that a pass has the same rows whichever process makes it.
    length = recipe.micro_batch * passes
    share = slice(accelerator.process_index * length, (accelerator.process_index + 1) * length)
    for step in training_steps(
        state, parts, recipe.steps, recipe.checkpoint_minutes, journal, start,
        accelerator.is_main_process,
    ):  # fmt: skip
        if step in snapshots and accelerator.is_main_process:
            save_delta(bare, data, schedule, step, state.folder)
        set_rate(optimizer, min(1.0, (step + 1) / max(recipe.warmup, 1)))
        batch = data.batch(step, recipe, schedule, seed, share)
        with memory_for(recipe.micro_batch, MEMORY_KEY):
            logs, norm = update(accelerator, objective, optimizer, batch, recipe)
        if average:
            average.update_parameters(bare)
        # Of all passes of all processes, so that the log does not depend on their number.
        passed = torch.stack([torch.stack(list(log.values())) for log in logs])
        columns = zip(logs[0], accelerator.gather(passed).T, strict=True)
        scalars: dict[str, Tensor | float]
        scalars = {name: summed_up(name, values) for name, values in columns}
        journal.add(step, scalars | {"grad_norm": norm})
        if (
            preview and recipe.preview_every and (step + 1) % recipe.preview_every == 0
            and accelerator.is_main_process
        ):  # fmt: skip
            preview(step + 1, bare)
    if not accelerator.is_main_process:
        return None
    final = cast(Objective, average.module) if average else bare
    save_delta(final, data, schedule, recipe.steps, state.folder)
    return final.cpu()


@torch.no_grad()
def save_delta(
    objective: Objective, data: TrainingData, schedule: DDPMScheduler, step: int, folder: Path
) -> None:
    """Keep δ (Eq. 4) of a few masks at this step, for Figure 8: delta_<step>.npz.

    The masks are spread over the lesion sizes; noise and timestep are the same at every step.
    """
    if not objective.has_delta:
        return
    size = data.masks.float().mean(dim=(1, 2, 3))
    spread = torch.linspace(0, len(size) - 1, min(6, len(size))).long()
    taken = size.argsort(stable=True).cpu()[spread]
    noise = torch.randn(data.mean[taken].shape, generator=generator_for("delta")).to(data.device)
    t = torch.full((len(taken),), SNAPSHOT_T, device=data.device)
    batch = {
        "z_t": schedule.add_noise(data.mean[taken].float(), noise, t),
        "noise": noise,
        "t": t,
        "alpha_bar": schedule.alphas_cumprod.to(data.device)[t],
        "text": data.text.expand(len(taken), -1, -1),
        "mask": data.masks[taken].float(),
    }
    if objective.recipe.teacher:
        batch["image"] = data.images(taken)
    with torch.autocast(data.device.type, DTYPES[objective.recipe.precision],
                        enabled=objective.recipe.precision != "fp32"):  # fmt: skip
        student, _ = objective.predict(batch)
    delta = next(iter(objective.deltas(objective.seen(batch, student)).values()))
    np.savez_compressed(
        folder / f"delta_{step:06d}.npz",
        delta=delta.squeeze(1).cpu().numpy(),
        mask=data.masks[taken].squeeze(1).cpu().numpy(),
        row=data.rows[taken.numpy()],
    )


def save_trained(objective: Objective, folder: Path) -> None:
    """Write `controlnet/`, the decoder where trained, and what each weighting learned."""
    objective.controlnet.save_pretrained(folder / "controlnet")
    if objective.recipe.train_decoder:
        save_file(contiguous(objective.decoder), folder / "decoder.safetensors")
    for name, weighting in objective.weightings.items():
        if list(weighting.parameters()):
            save_file(contiguous(weighting), folder / f"{name}.safetensors")


def contiguous(module: torch.nn.Module) -> dict[str, Tensor]:
    """State of a module as safetensors takes it."""
    return {name: value.contiguous() for name, value in module.state_dict().items()}


def recipe_facts(recipe: ControlNetRecipe, latents: Latents, images: int) -> dict:
    """What recipe.json says of the settings, in the paper's units too."""
    return {
        "recipe": recipe.complete(),
        "latents": latents.sha256,
        "images": images,
        "epochs": recipe.steps * recipe.batch_size / images,
    }
