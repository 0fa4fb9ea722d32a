"""A stage of a study made ready to be tried on a GPU, with random weights and drawn data."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Ready:
    """A stage whose networks and data lie on a device.

    Args:
        step: does the work once.
        look: a result of its network on a fixed input, any shape, to be set beside the reference.
        counted: does what `step` does where operations can be counted; `step` itself if None.
    """

    step: Callable[[], object]
    look: Callable[[], Tensor]
    counted: Callable[[], object] | None = None


@dataclass(frozen=True)
class Trial:
    """A stage to try.

    Args:
        name: as the prediction of a study's hours calls it.
        units: such as images, that a step is done with.
        ready: makes it ready on a device, `cpu` or `cuda`.
        reference: what `look` gives on the CPU in single precision.
        tolerance: largest accepted norm of the difference of the two, relative to the reference's.
        memory: GiB that it is said to need, if that is said.
    """

    name: str
    units: int
    ready: Callable[[str], Ready]
    reference: Callable[[], Tensor]
    tolerance: float
    memory: float | None = None
