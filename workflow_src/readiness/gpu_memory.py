"""Which GPU memory the ControlNets of a study need, from what was counted without a GPU.

A GPU holds the frozen UNet, every trained weight several times over, and activations by image. The
counts, and this formula beside them, are in benchmarks/controlnet_memory.md.
"""

from collections.abc import Iterator

from workflow_src.readiness.disk import trainings
from workflow_src.readiness.findings import Finding
from workflow_src.study.configuration import method_settings
from workflow_src.study.synthesis import ControlNetRecipe

GIB = 2**30
UNET, CONTROLNET, DECODER = 859.5e6, 361.3e6, 511.8e6  # weights of Stable Diffusion 1.5's parts
# Bytes of a trained weight: itself, its gradient, its copy in 16 bits, and AdamW's moments.
WEIGHT, GRADIENT, COPY = 4, 4, 2
MOMENTS = {"device": 8.0, "host": 0.0, "8bit": 2 * (1 + 4 / 256)}
SIDE = 384
# GiB of activations of an image of that side, by whether there is a teacher and decoders train.
ACTIVATIONS = {
    (False, True): 0.70, (False, False): 0.53, (True, True): 1.43, (True, False): 1.10,
}  # fmt: skip
CHECKPOINTED = 0.3  # of them where gradient_checkpointing computes most of them twice
SINGLE = 1.6  # times as much in fp32
DATA = 0.25  # latents and masks of a training set
BESIDES = 1.0  # CUDA's context, workspaces, and what the allocator cannot join
GPUS = (8, 12, 16, 24, 32, 40, 48, 80, 96, 141)  # GB that there are
USABLE = 0.985  # of them, in GiB: a GPU "of 40 GB" has 39.6


def needed(recipe: ControlNetRecipe, size: int) -> float:
    """GiB of GPU memory that a ControlNet training needs on Stable Diffusion.

    Args:
        recipe: the method.
        size: side length of the images.
    """
    single = recipe.precision == "fp32"
    trained = (1 + recipe.teacher) * (CONTROLNET + recipe.train_decoder * DECODER)
    each = WEIGHT + GRADIENT + MOMENTS[recipe.optimizer_state] + (0 if single else COPY)
    average = trained * WEIGHT if recipe.ema else 0
    held = (UNET * (4 if single else 2) + trained * each + average) / GIB
    image = ACTIVATIONS[recipe.teacher, recipe.train_decoder] * (size / SIDE) ** 2
    image *= (SINGLE if single else 1) * (CHECKPOINTED if recipe.gradient_checkpointing else 1)
    return held + image * recipe.micro_batch + DATA + BESIDES


def gpu_for(gibibytes: float) -> int | None:
    """The smallest usual GPU with so much memory, in the GB that it is sold by."""
    return next((gpu for gpu in GPUS if gpu * USABLE >= gibibytes), None)


def needs(config: dict) -> dict[str, float]:
    """GiB that training each method of a study's tables needs, by method."""
    if config["backbone"]["kind"] != "stable-diffusion":
        return {}
    size, (methods, _) = config["synthesis"]["image_size"], trainings(config)
    trained = set().union(*methods.values())
    return {
        name: needed(method_settings(config, name), size)
        for name in config["synthesis"]["methods"] if name in trained
    }  # fmt: skip


def in_words(config: dict) -> str:
    """What training the methods of a study needs, those that need the same together."""
    alike: dict[str, list[str]] = {}
    for name, gibibytes in needs(config).items():
        alike.setdefault(f"{gibibytes:.0f} GiB", []).append(name)
    return "; ".join(f"{', '.join(names)}: {amount}" for amount, names in alike.items())


def gpu_memory(config: dict) -> Iterator[Finding]:
    """Whether the GPUs that are visible, if any are, have the memory that each method needs."""
    wanted = needs(config)
    if not wanted:
        return
    most, text = max(wanted.values()), in_words(config)
    import torch

    count = torch.cuda.device_count()
    there = min((torch.cuda.mem_get_info(i)[1] / GIB for i in range(count)), default=None)
    if there is None:
        gpu = gpu_for(most)
        which = f"a GPU of {gpu} GB trains all" if gpu else "no usual GPU trains all"
        yield Finding("OK", "GPU memory", f"{text}; {which}")
    elif there >= most:
        yield Finding("OK", "GPU memory", f"{text}, and {there:.0f} GiB are there")
    else:
        text += f", and only {there:.0f} GiB are there: set `gradient_checkpointing: true` and "
        text += "`optimizer_state: host` under synthesis.training, or lower `micro_batch` (the "
        text += "result stays the same), or take a larger GPU"
        yield Finding("FAIL", "GPU memory", text)
