"""One update of a ControlNet training: its networks set up, its passes, its optimiser.

`diffusion/memory.py` runs this very code to count how much GPU memory it takes.
"""

from contextlib import nullcontext

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.optim.adamw import adamw

from workflow_src.common.errors import InputError
from workflow_src.diffusion.backbone import DTYPES
from workflow_src.diffusion.objective import Batch, Objective
from workflow_src.study.synthesis import ControlNetRecipe

MOMENTS = ("exp_avg", "exp_avg_sq")


def new_accelerator(recipe: ControlNetRecipe, **settings) -> Accelerator:
    """accelerate, in the recipe's precision; several GPUs share gradients where they lie."""
    views = DistributedDataParallelKwargs(gradient_as_bucket_view=True)
    precision = {"fp32": "no"}.get(recipe.precision, recipe.precision)
    return Accelerator(mixed_precision=precision, kwargs_handlers=[views], **settings)


def new_objective(
    unet: UNet2DConditionModel, recipe: ControlNetRecipe, device: torch.device
) -> Objective:
    """The objective on its device, and under it the frozen UNet, in the recipe's precision."""
    objective = Objective(unet, recipe)
    # Only now, after the decoders were copied: what is frozen needs no float32.
    unet.to(device, memory_format=torch.channels_last)
    if recipe.precision != "fp32":
        unet.to(DTYPES[recipe.precision])
    return objective.to(device).to(memory_format=torch.channels_last)


class HostAdamW(torch.optim.AdamW):
    """AdamW whose moments lie in the host's memory and visit the weights one by one.

    The updates are AdamW's to the bit; of the 16 bytes that a weight in training fills on a GPU, 8
    are saved, for two copies of the moments over the bus at each update.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # calls none
        """Update all weights that have a gradient."""
        on_gpu = False
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                kept, device = self.state[weight], weight.device
                if not kept:
                    kept["step"] = torch.zeros((), device=device)
                    kept |= {name: _on_host(torch.zeros(()), weight) for name in MOMENTS}
                first, second = (kept[name].to(device, non_blocking=True) for name in MOMENTS)
                adamw(
                    [weight], [weight.grad], [first], [second], [], [kept["step"]], fused=True,
                    amsgrad=False, maximize=False, lr=group["lr"], beta1=group["betas"][0],
                    beta2=group["betas"][1], weight_decay=group["weight_decay"], eps=group["eps"],
                    grad_scale=getattr(self, "grad_scale", None),
                    found_inf=getattr(self, "found_inf", None),
                )  # fmt: skip
                for name, moved in zip(MOMENTS, (first, second), strict=True):
                    kept[name].copy_(moved, non_blocking=True)
                on_gpu = on_gpu or weight.is_cuda
        if on_gpu:
            torch.cuda.synchronize()

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over a state; its moments stay where they are, on the host."""
        super().load_state_dict(state_dict | {"state": {}})
        weights = [weight for group in self.param_groups for weight in group["params"]]
        for number, kept in state_dict["state"].items():
            weight = weights[number]
            self.state[weight] = {name: _on_host(kept[name], weight) for name in MOMENTS}
            self.state[weight]["step"] = kept["step"].to(weight.device)


def _on_host(moment: Tensor, weight: Tensor) -> Tensor:
    """A moment in the host's memory, laid out as its weight; pinned, for a GPU to reach it."""
    place = torch.empty_like(weight, device="cpu", pin_memory=weight.is_cuda)
    return place.copy_(moment)


def new_optimizer(objective: Objective, recipe: ControlNetRecipe) -> torch.optim.Optimizer:
    """AdamW in one pass over the weights, where weightings learn at a rate of their own.

    Raises:
        InputError: if the recipe asks for bitsandbytes and it is not installed.
    """
    phi = list(objective.weightings.parameters())
    others = [p for n, p in objective.named_parameters() if not n.startswith("weightings.")]
    groups = [{"params": [p for p in others if p.requires_grad], "lr": recipe.learning_rate}]
    if phi:
        groups.append({"params": phi, "lr": recipe.weighter_learning_rate})
    if recipe.optimizer_state == "host":
        return HostAdamW(groups, weight_decay=recipe.weight_decay, fused=True)
    if recipe.optimizer_state == "device":
        return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=True)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise InputError(
            "`optimizer_state: 8bit` needs bitsandbytes, which is not in the lock: pip install "
            "bitsandbytes, or take `optimizer_state: host`"
        ) from error
    return AdamW8bit(groups, weight_decay=recipe.weight_decay)


def update(
    accelerator: Accelerator,
    objective: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    recipe: ControlNetRecipe,
) -> tuple[list[dict[str, Tensor]], Tensor]:
    """One update from a process's share of a batch, in passes of micro_batch images.

    Returns:
        What each pass logs, and the norm of the gradient, 0 where fp16 overflowed.
    """
    passes = len(batch["t"]) // recipe.micro_batch
    logs = []
    for number in range(passes):
        part = slice(number * recipe.micro_batch, (number + 1) * recipe.micro_batch)
        last = number == passes - 1
        with nullcontext() if last else accelerator.no_sync(objective):
            loss, log = objective({name: value[part] for name, value in batch.items()})
            accelerator.backward(loss / passes)
        logs.append(log)
    limit = recipe.gradient_clip or float("inf")
    norm = accelerator.clip_grad_norm_(objective.parameters(), limit)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if accelerator.scaler:  # it may find its scale too large, and leaves that update out
        norm = torch.where(norm.isfinite(), norm, 0.0)
    return logs, norm
