"""What every training loop shares: randomness by step, resume, learning rates.

All randomness of a step is drawn from a generator seeded by the step's number. A resumed run needs
no saved generator states and sees the data order and noise that an uninterrupted one sees.
"""

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from workflow_src.common.errors import InputError
from workflow_src.common.journal import Journal
from workflow_src.common.resumable import State

T = TypeVar("T")


class Stateful(Protocol):
    """A module, optimiser, average or scaler."""

    def state_dict(self) -> dict: ...
    def load_state_dict(self, state: dict) -> object: ...


def generator_for(*key: int | str) -> torch.Generator:
    """A generator seeded by a key, such as (seed, "noise", step).

    It is on the CPU: a GPU's generator draws other numbers, and differs from model to model.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def best_device() -> str:
    """ "cuda" if there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def memory_for(images: int, key: str) -> Iterator[None]:
    """Turn "out of memory" into a message that names the key to lower.

    Args:
        images: how many were on the device at once.
        key: the setting that says so, and what lowering it changes.

    Raises:
        InputError: if the memory is too small.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError of a GPU is one too
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise InputError(f"the memory is too small for {images} images at once: {key}") from error


def rows_of_step(step: int, batch_size: int, count: int, seed: int) -> Tensor:
    """Rows of the data that a step trains on: epochs of shuffled rows, end to end.

    Args:
        step: from 0.
        batch_size: rows per step.
        count: rows of the data.
        seed: of the shuffles.

    Returns:
        (batch_size,) int64.
    """
    positions = torch.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // count
    orders = {
        epoch: torch.randperm(count, generator=generator_for(seed, "epoch", epoch))
        for epoch in epochs.unique().tolist()
    }
    return torch.stack(
        [orders[e.item()][p % count] for e, p in zip(epochs, positions, strict=True)]
    )


def ahead(make: Callable[[int], T], steps: Iterable[int]) -> Iterator[T]:
    """What `make` makes of each step, the next of it in a thread while one is used."""
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[T]] = deque()
        for step in steps:
            coming.append(thread.submit(make, step))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def cosine(step: int, steps: int, warmup: int = 0, floor: float = 0.0) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine from 1 down to the floor."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(steps - warmup, 1)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def set_rate(optimizer: Optimizer, factor: float) -> None:
    """Set every group's learning rate to a factor of the one that it was made with."""
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
        group["lr"] = group["initial_lr"] * factor


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of a model's weights, with a short memory early on."""

    def average(mean: Tensor, now: Tensor, n: Tensor | int) -> Tensor:
        weight = torch.clamp(torch.as_tensor((1.0 + n) / (10.0 + n)), max=decay)
        return mean.lerp(now, (1 - weight).to(mean.dtype))

    return AveragedModel(model, avg_fn=average, use_buffers=True)


def training_steps(
    state: State,
    parts: dict[str, Stateful],
    steps: int,
    checkpoint_minutes: float,
    journal: Journal,
    start: int,
    main_process: bool = True,
) -> Iterator[int]:
    """Count the steps of a training, with a progress bar and checkpoints.

    Args:
        state: where checkpoints go.
        parts: all that a checkpoint must hold besides the journal.
        steps: optimiser updates in all.
        checkpoint_minutes: time between checkpoints; 0 makes one after each step.
        journal: of the scalars.
        start: the step to begin at, from `resume`.
        main_process: whether this process shows and saves.

    Yields:
        The number of the step to take, from 0.
    """
    saved = time.monotonic()
    with tqdm(total=steps, initial=start, unit="step", disable=not main_process) as bar:
        for step in range(start, steps):
            yield step
            bar.update()
            due = time.monotonic() - saved >= 60 * checkpoint_minutes
            if main_process and due and step + 1 < steps:
                kept = parts | {"journal": journal}
                state.save({"step": step + 1} | {n: p.state_dict() for n, p in kept.items()})
                saved = time.monotonic()
    journal.flush()


def resume(state: State, parts: dict[str, Stateful], journal: Journal) -> int:
    """Load the last checkpoint into parts and journal; return the step to continue from, or 0."""
    payload = state.load()
    if payload is None:
        return 0
    for name, part in (parts | {"journal": journal}).items():
        part.load_state_dict(payload[name])
    return payload["step"]
