"""What a network costs: parameters, operations, latency, memory."""

import statistics
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """All parameters."""
    return sum(p.numel() for p in model.parameters())


def _blank_image(model: nn.Module, size: int) -> torch.Tensor:
    """One image (1, C, size, size) on the model's device, C as its first convolution wants."""
    first = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    return torch.zeros(1, first.in_channels, size, size, device=first.weight.device)


def count_flops(model: nn.Module, size: int) -> int:
    """Floating-point operations of one image, 2 per multiply-accumulate, by PyTorch's counter.

    It counts convolutions and matrix products, attention included, which other counters miss.
    """
    model.eval()
    image = _blank_image(model, size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return counter.get_total_flops()


@torch.no_grad()
def measure_latency(model: nn.Module, size: int, repeats: int = 20) -> float:
    """Median seconds for one image on the model's device, after warming up."""
    image = _blank_image(model, size)
    device = image.device
    seconds = []
    for number in range(repeats + 3):
        if device.type == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter()
        model(image)
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= 3:
            seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


@torch.no_grad()
def peak_activation_bytes(model: nn.Module, size: int) -> int:
    """Most bytes held at once while one image passes, beyond the weights.

    Measured by the allocator on a GPU; on a CPU, where there is none to ask, the largest sum of the
    inputs and outputs of one layer.
    """
    image = _blank_image(model, size)
    if image.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        model(image)
        return torch.cuda.max_memory_allocated() - before
    largest = 0

    def note(module: nn.Module, inputs: tuple, output) -> None:
        nonlocal largest
        tensors = [t for t in (*inputs, output) if isinstance(t, torch.Tensor)]
        largest = max(largest, sum(t.numel() * t.element_size() for t in tensors))

    hooks = [m.register_forward_hook(note) for m in model.modules() if not list(m.children())]
    model(image)
    for hook in hooks:
        hook.remove()
    return largest
