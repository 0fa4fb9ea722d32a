"""Stages of a study tried on a GPU: how fast, in how much memory, and whether they are right."""

import gc
import logging
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from workflow_src.common.trials import Trial

GIB = 2**30
SIDE = {"cuda": 8192, "cpu": 512}  # of the matrices whose product is a device's best

log = logging.getLogger(__name__)


def seconds(step: Callable[[], object], device: str) -> float:
    """Of one call, by the clock; waits for the GPU."""
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def product_peak(device: str) -> float:
    """Tera-operations a second of the best of some large bf16 matrix products."""
    side = SIDE[device]
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    return 2 * side**3 / min(seconds(lambda: a @ a, device) for _ in range(5)) / 1e12


def tried(checks: dict[str, Callable[[], dict]]) -> dict[str, dict]:
    """What checks find, by name; one that fails says why and lets the others go on."""
    found = {}
    for name, check in checks.items():
        log.info("%s ...", name)
        try:
            found[name] = check()
        except Exception as error:  # whatever it is, the others are tried
            log.exception("%s failed", name)
            reason = str(error).strip().splitlines() or [""]
            found[name] = {"failed": f"{type(error).__name__}: {reason[0]}"}
        freed()
    return found


def freed() -> None:
    """Give back what a stage held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def measured(trial: Trial, device: str, rounds: int, best: float) -> dict:
    """How fast a stage is, in how much memory, and how far from the CPU's result.

    Args:
        trial: the stage.
        device: cpu or cuda.
        rounds: steps whose median counts, after one that warms up.
        best: tera-operations a second of the device's best product.
    """
    ready = trial.ready(device)
    seen = ready.look().float().cpu()
    with FlopCounterMode(display=False) as counter:
        (ready.counted or ready.step)()
    operations = counter.get_total_flops() / 1e12
    ready.step()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    taken = statistics.median(seconds(ready.step, device) for _ in range(rounds))
    peak = torch.cuda.max_memory_reserved() / GIB if device == "cuda" else None
    del ready
    freed()
    off, limit = relative_difference(seen, trial.reference()), trial.tolerance
    return {
        "units_per_second": trial.units / taken,
        "tera_operations_per_second": operations / taken,
        "share_of_best_product": operations / taken / best,
        "peak_gib": peak,
        "said_to_need_gib": trial.memory,
        "difference_from_cpu": off,
        "tolerance": limit,
        "wrong": f"differs from the CPU by {off:.2g}, more than {limit:g}" if off > limit else None,
    }


def relative_difference(found: Tensor, reference: Tensor) -> float:
    """Norm of the difference, relative to the reference's; infinite if either is not finite."""
    difference = (found - reference.float()).norm() / reference.float().norm()
    return difference.item() if difference.isfinite() else float("inf")


def largest_that_runs(step_of: Callable[[int], Callable[[], object]], counts: list[int]) -> int:
    """The largest of some batch sizes, in rising order, that a device has the memory for; or 0.

    Args:
        step_of: makes the step of a batch size ready.
        counts: to be tried.
    """
    fits = 0
    for count in counts:
        try:
            step_of(count)()
        except torch.OutOfMemoryError:
            break
        finally:
            freed()
        fits = count
    return fits


def problems(stages: dict[str, dict]) -> list[str]:
    """A line for each stage that failed, is wrong, or takes more memory than is said."""
    lines = []
    for name, found in stages.items():
        if "failed" in found:
            lines.append(f"{name}: {found['failed']}")
        elif found.get("wrong"):
            lines.append(f"{name}: {found['wrong']}")
        peak, said = found.get("peak_gib"), found.get("said_to_need_gib")
        if peak and said and peak > said:
            lines.append(f"{name}: takes {peak:.1f} GiB, more than the {said:.1f} that are said")
    return lines


def table(stages: dict[str, dict]) -> str:
    """A Markdown table of the stages that were measured."""
    columns = {
        "units_per_second": "units/s", "tera_operations_per_second": "tera-operations/s",
        "share_of_best_product": "share of best product", "peak_gib": "GiB",
        "said_to_need_gib": "GiB said", "difference_from_cpu": "off the CPU's",
    }  # fmt: skip
    lines = ["| stage | " + " | ".join(columns.values()) + " |", "|---" * (1 + len(columns)) + "|"]
    for name, found in stages.items():
        if "units_per_second" not in found:
            continue
        cells = [found.get(key) for key in columns]
        written = ["" if cell is None else f"{cell:.3g}" for cell in cells]
        lines.append(
            f"| {name} | " + " | ".join(written) + f" | {found.get('failed', '')}".rstrip()
        )
    return "\n".join(line if line.endswith("|") else f"{line} |" for line in lines)
