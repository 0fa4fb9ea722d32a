"""Training a segmenter: one loop for all architectures; the validation images pick the weights."""

import copy
import logging
import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow_src.common.compilers import why_not_compile
from workflow_src.common.errors import InputError
from workflow_src.common.journal import Journal
from workflow_src.common.resumable import CsvLog, State
from workflow_src.common.training import (
    Stateful,
    ahead,
    best_device,
    cosine,
    generator_for,
    memory_for,
    resume,
    rows_of_step,
    set_rate,
    training_steps,
)
from workflow_src.data.prepared import PreparedSet
from workflow_src.segmentation import build_segmenter
from workflow_src.segmentation.batches import Batches, Drawn, normalised
from workflow_src.segmentation.losses import LOSSES
from workflow_src.study.segmentation import SegmenterRecipe

log = logging.getLogger(__name__)

# Compiling takes a minute or two. A CPU earns them back in a hundred million pixels that it trains
# on (benchmarks/segmenter_training.md), and other networks and machines may take three times as
# many. A GPU, not measured yet, is expected to save some thirty milliseconds of starting kernels at
# each step, whatever its size.
PIXELS_THAT_EARN_COMPILING = 3e8
STEPS_THAT_EARN_COMPILING = 4000
MEMORY_KEY = "lower `batch_size` of the segmentation's training (the result changes)"
SIDE_STEP = 32  # rescaled sides are rounded to it, so that every level halves evenly


class Best:
    """The weights that did best on the validation images so far; without any, the latest."""

    def __init__(self):
        self.dice: float | None = -1.0
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def offer(self, dice: float | None, epoch: int, model: nn.Module) -> None:
        if dice is None or self.dice is None or dice > self.dice:
            self.dice, self.epoch = dice, epoch
            self.weights = copy.deepcopy({n: v.cpu() for n, v in model.state_dict().items()})

    def state_dict(self) -> dict:
        return vars(self)

    def load_state_dict(self, state: dict) -> None:
        vars(self).update(state)


def make_optimizer(model: nn.Module, recipe: SegmenterRecipe, steps: int) -> torch.optim.Optimizer:
    """AdamW, or AdEMAMix with decoupled decay, both averages warmed up over all steps."""
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
    from pytorch_optimizer import AdEMAMix

    return AdEMAMix(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=(0.9, 0.999, recipe.beta3),
        alpha=recipe.alpha,
        t_alpha_beta3=steps,
        weight_decay=recipe.weight_decay,
        weight_decouple=True,  # the library's default is L2
    )


def train_segmenter(
    prepared: PreparedSet, recipe: SegmenterRecipe, seed: int, state: State
) -> tuple[nn.Module, dict]:
    """Train a segmenter on a prepared set.

    Args:
        prepared: its train rows are trained on; its val rows pick the weights.
        recipe: settings.
        seed: of weights, order and augmentation.
        state: checkpoints and log.

    Returns:
        The model with the best validation Dice, on the CPU, and facts about the run.
    """
    device = best_device()
    torch.manual_seed(seed)
    model = build_segmenter(recipe.architecture, **recipe.options)
    model.to(device).to(memory_format=torch.channels_last)
    train = Batches(prepared, prepared.rows("train"), recipe, device)
    if len(train) == 0:
        raise InputError(f"{prepared.folder} has no training images: prepare a set that has some")
    held_out = Batches(prepared, prepared.rows("val"), recipe, device)
    steps_per_epoch = math.ceil(len(train) / recipe.batch_size)
    steps = recipe.epochs * steps_per_epoch
    optimizer = make_optimizer(model, recipe, steps * len(recipe.scales))
    best, looks = Best(), CsvLog(state.folder / "validation.csv")
    parts: dict[str, Stateful] = {
        "model": model, "optimizer": optimizer, "best": best, "looks": looks
    }  # fmt: skip

    def rows_named(step: int) -> list[int]:
        numbers = rows_of_step(step, recipe.batch_size, len(train), seed)
        return train.rows[numbers].tolist()

    log_every = max(1, min(steps_per_epoch, 20))
    journal = Journal(state.folder / "log.csv", log_every, rows_named)
    start = resume(state, parts, journal)
    network = compiled(model) if compiles(recipe, steps, device) else model

    def drawn(step: int) -> Drawn:
        numbers = rows_of_step(step, recipe.batch_size, len(train), seed)
        return train.drawn(numbers, generator_for(seed, "augment", step))

    batches = ahead(drawn, range(start, steps))
    model.train()
    for step in training_steps(state, parts, steps, recipe.checkpoint_minutes, journal, start):
        set_rate(optimizer, cosine(step, steps, floor=recipe.final_rate / recipe.learning_rate))
        with memory_for(recipe.batch_size, MEMORY_KEY):
            x, y = train.augmented(next(batches))
            losses = [update(network, optimizer, *_scaled(x, y, s), recipe) for s in recipe.scales]
        journal.add(step, {"loss": torch.stack(losses).mean()})
        if (step + 1) % (recipe.validate_every * steps_per_epoch) == 0 or step + 1 == steps:
            with memory_for(recipe.batch_size, MEMORY_KEY):
                dice = validation_dice(model, held_out, recipe)
            looks.add({"step": step + 1, "dice": dice})
            best.offer(dice, (step + 1) // steps_per_epoch, model)
    model.load_state_dict(best.weights)
    facts = {"best_epoch": best.epoch, "validation_dice": best.dice, "steps": steps}
    return model.cpu().eval(), facts


def compiles(recipe: SegmenterRecipe, steps: int, device: str) -> bool:
    """Whether to compile: several sizes would compile several times."""
    if recipe.compile != "auto":
        return recipe.compile == "on"
    if device == "cuda":
        earned = steps >= STEPS_THAT_EARN_COMPILING
    else:
        pixels = steps * recipe.batch_size * recipe.image_size**2
        earned = pixels >= PIXELS_THAT_EARN_COMPILING
    if not earned or len(recipe.scales) > 1:
        return False
    lacking = why_not_compile(device == "cuda")
    if lacking:
        log.warning("%s: training runs uncompiled, and slower", lacking)
    return not lacking


def compiled(model: nn.Module) -> nn.Module:
    """The model compiled, anew for each size of batches.

    On a GPU its kernels are replayed as CUDA graphs: those of a small network run for less time
    than it takes to start them one by one.
    """
    on_gpu = next(model.parameters()).is_cuda
    mode = "reduce-overhead" if on_gpu else "default"
    return cast(nn.Module, torch.compile(model, dynamic=False, mode=mode))


def _scaled(x: Tensor, y: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    if scale == 1.0:
        return x, y
    side = max(SIDE_STEP, round(x.shape[-1] * scale / SIDE_STEP) * SIDE_STEP)
    return F.interpolate(x, side, mode="bilinear"), F.interpolate(y, side, mode="nearest")


def update(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    recipe: SegmenterRecipe,
) -> Tensor:
    """One update on a batch (B, 3, S, S) and its masks (B, 1, S, S); returns the detached loss."""
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        output = network(x)
    logits, auxiliary = output if isinstance(output, tuple) else (output, [])
    criterion = LOSSES[recipe.loss]
    loss = criterion(logits.float(), y)
    if auxiliary:
        for weight, side in zip(cast(tuple, network.auxiliary_weights), auxiliary, strict=True):
            loss = loss + weight * criterion(side.float(), y)
    loss.backward()
    if recipe.gradient_clip:
        nn.utils.clip_grad_value_(network.parameters(), recipe.gradient_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)  # now: a CUDA graph's pool would hold old ones
    return loss.detach()


@torch.no_grad()
def validation_dice(model: nn.Module, held_out: Batches, recipe: SegmenterRecipe) -> float | None:
    """Mean foreground Dice of the validation images at 0.5, at training size; None without any."""
    if len(held_out) == 0:
        return None
    model.eval()
    scores = []
    for numbers in torch.arange(len(held_out)).split(recipe.batch_size):
        images, masks = held_out.plain(numbers)
        predicted, target = model(normalised(images)) > 0, masks > 0
        overlap = 2 * (predicted & target).sum(dim=(1, 2, 3))
        total = predicted.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3))
        scores.append(torch.where(total > 0, overlap / total.clamp(min=1), 1.0))
    model.train()
    return torch.cat(scores).mean().item()
