"""What the segmenters' benchmarks share: steps timed in turns, and a machine's best rates."""

import statistics
import time
from collections.abc import Callable

import torch
from tqdm import tqdm


def seconds(step: Callable[[], object]) -> float:
    """Of one call, by the clock; waits for the GPU, where there is one."""
    start = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def medians(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of a call of each side, taken in turns, so that other load falls on all alike."""
    found = {name: [] for name in sides}
    for number in tqdm(range(rounds + 1), unit="round"):
        for name, step in sides.items():
            taken = seconds(step)
            if number:  # the first round warms up
                found[name].append(taken)
    return {name: statistics.median(times) for name, times in found.items()}


def product_peak(device: str) -> float:
    """FLOP/s of the best of some large matrix products in single precision."""
    side = 8192 if device == "cuda" else 2048
    a = torch.randn(side, side, device=device)
    return 2 * side**3 / min(seconds(lambda: a @ a) for _ in range(5))


def copy_peak(device: str) -> float:
    """Bytes/s, read and written, of the best of some copies of 256 MiB."""
    a = torch.zeros(2**26, device=device)
    b = torch.ones_like(a)
    return 2 * 4 * 2**26 / min(seconds(lambda: b.copy_(a)) for _ in range(5))
