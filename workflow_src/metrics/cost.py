"""What a network costs: parameters, operations, latency, memory."""

import statistics
import time
from itertools import accumulate

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
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
    model.eval()
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
    """Most bytes held at once while one image passes, beyond the weights and the image.

    Told by the allocator, so that what is formed inside of a layer counts, attention's S among it.
    """
    model.eval()
    image = _blank_image(model, size)
    if image.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        model(image)
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as traced:
        model(image)
    events = [e for e in traced.profiler.kineto_results.events() if e.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events))
