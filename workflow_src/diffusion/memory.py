"""What a ControlNet training fills of a GPU's memory, counted without one.

The training's own code runs on tensors without content (PyTorch's FakeTensorMode), and every
storage is counted while it lives. What a GPU holds besides is not counted: its context, the
libraries' workspaces, and what the allocator cannot join, together about a gibibyte.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import torch
import torch.nn.functional as F
from accelerate.state import AcceleratorState
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from workflow_src.diffusion.backbone import DTYPES
from workflow_src.diffusion.objective import Objective
from workflow_src.diffusion.single_file import CONFIGS
from workflow_src.diffusion.updating import new_accelerator, new_optimizer, update
from workflow_src.study.synthesis import ControlNetRecipe

GIB = 2**30
BLOCK = 512  # bytes that PyTorch's allocator rounds up to
TOKENS = 77  # of CLIP's text encoder
STABLE_DIFFUSION = CONFIGS["unet"]
# Bytes that a weight's moments fill on the device where AdamW itself does not keep them there: on
# the host, none; of bitsandbytes, two of eight bits, and a scale per 256 weights.
STATE_ELSEWHERE = {"host": 0.0, "8bit": 2 * (1 + 4 / 256)}


@dataclass(frozen=True)
class Memory:
    """GiB that a training fills: at most, and before its first update."""

    peak: float
    weights: float


class Ledger(TorchDispatchMode):
    """Counts the bytes of every storage from its making to its end."""

    def __init__(self):
        super().__init__()
        self.live: set[int] = set()
        self.bytes = self.peak = 0

    def count(self, tensor: Tensor) -> None:
        """Count a tensor's storage, unless it is counted already."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.live:
            return
        size = -(-storage.nbytes() // BLOCK) * BLOCK
        self.live.add(key)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.live.discard(key)
        self.bytes -= size

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self.count(tensor)
        return out


@contextmanager
def precisions_of_a_gpu() -> Iterator[None]:
    """Let a CPU's autocast choose precisions as a GPU's does."""

    def single(function: Callable, *args, **kwargs):
        if torch.is_autocast_enabled("cpu"):
            args, kwargs = tree_map(_single, args), tree_map(_single, kwargs)
        return function(*args, **kwargs)

    def unchanged(function: Callable, *args, **kwargs):
        with torch.autocast("cpu", enabled=False):
            return function(*args, **kwargs)

    ways = {"group_norm": single, "layer_norm": single, "interpolate": unchanged}
    patched = {name: partial(way, getattr(F, name)) for name, way in ways.items()}
    with patch.dict(vars(F), patched):
        yield


def _single(value):
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return value.float() if floating else value


def simulated_memory(
    recipe: ControlNetRecipe, size: int, images: int = 0, unet: dict = STABLE_DIFFUSION
) -> Memory:
    """Run two updates, the second of two passes, on tensors without content.

    Args:
        recipe: the method.
        size: side length of the images.
        images: of the training set, whose masks and latents lie on the device.
        unet: the UNet's settings; Stable Diffusion 1.5's by default.
    """
    with patch.dict(AcceleratorState._shared_state, clear=True):  # of another precision, perhaps
        return _simulated(recipe, size, images, unet)


def _simulated(recipe: ControlNetRecipe, size: int, images: int, unet: dict) -> Memory:
    accelerator = new_accelerator(recipe, cpu=True, device_placement=False)
    factor = 2 ** (len(recipe.hint_channels) - 1)
    with FakeTensorMode():
        frozen, bare = _blank_networks(recipe, unet)
        moments = STATE_ELSEWHERE.get(recipe.optimizer_state)
        chosen = new_optimizer(bare, recipe) if moments is None else torch.optim.SGD(
            [p for p in bare.parameters() if p.requires_grad], fused=True
        )  # fmt: skip
        objective, optimizer = accelerator.prepare(bare, chosen)
        batch = _blank_batch(recipe, frozen, size, size // factor, 2 * recipe.micro_batch)
        trained = sum(p.numel() for p in bare.parameters() if p.requires_grad)
        # Masks and latents (mean and deviation, two bytes each), and moments of their own kind.
        held = images * (size**2 + 4 * 4 * (size // factor) ** 2) + int(trained * (moments or 0))
        held = torch.empty(held, dtype=torch.uint8)
        ledger = Ledger()
        state = [*frozen.state_dict().values(), *bare.state_dict().values()]
        for tensor in [*state, *batch.values(), held]:
            ledger.count(tensor)
        weights = ledger.bytes
        with precisions_of_a_gpu(), ledger:
            first = {name: value[: recipe.micro_batch] for name, value in batch.items()}
            update(accelerator, objective, optimizer, first, recipe)
            update(accelerator, objective, optimizer, batch, recipe)
    return Memory(ledger.peak / GIB, weights / GIB)


def counted_operations(recipe: ControlNetRecipe, size: int) -> float:
    """Tera-operations, 2 per multiply-accumulate, of training Stable Diffusion on one image."""
    with FakeTensorMode():
        frozen, objective = _blank_networks(recipe, STABLE_DIFFUSION)
        factor = 2 ** (len(recipe.hint_channels) - 1)
        batch = _blank_batch(recipe, frozen, size, size // factor, 1)
        with FlopCounterMode(display=False) as counter:
            objective(batch)[0].backward()
    return counter.get_total_flops() / 1e12


def _blank_networks(recipe: ControlNetRecipe, unet: dict) -> tuple[UNet2DConditionModel, Objective]:
    """The frozen UNet and the objective, without content."""
    with torch.random.fork_rng():
        frozen = UNet2DConditionModel.from_config(unet).requires_grad_(False)
        objective = Objective(frozen, recipe)
    _renew(frozen, DTYPES[recipe.precision])
    _renew(objective, torch.float32)
    return frozen, objective


def _renew(module: nn.Module, dtype: torch.dtype) -> None:
    """Give a module parameters of a precision; `to` cannot change those without content."""
    for part in module.modules():
        for name, value in list(part.named_parameters(recurse=False)):
            empty = torch.empty(tuple(value.shape), dtype=dtype)
            part.register_parameter(name, nn.Parameter(empty, value.requires_grad))


def _blank_batch(
    recipe: ControlNetRecipe, unet: UNet2DConditionModel, size: int, side: int, count: int
) -> dict[str, Tensor]:
    latent = torch.zeros(count, unet.config.in_channels, side, side)
    batch = {
        "z_t": latent,
        "noise": torch.zeros_like(latent),
        "t": torch.zeros(count, dtype=torch.long),
        "alpha_bar": torch.ones(count),
        "text": torch.zeros(count, TOKENS, unet.config.cross_attention_dim),
        "mask": torch.ones(count, 1, size, size),
    }
    return batch | ({"image": torch.ones(count, 3, size, size)} if recipe.teacher else {})
