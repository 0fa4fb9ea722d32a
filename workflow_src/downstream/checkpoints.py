"""nnU-Net's checkpoints, read as tensors and plain values: a file from elsewhere runs no code."""

import pickle
from pathlib import Path
from typing import Any

from workflow_src.common.errors import InputError
from workflow_src.common.resumable import check_parts


def allow_numbers() -> None:
    """Let numpy's numbers through, which nnU-Net's log in an unfinished training's file holds."""
    import numpy as np
    import torch

    kinds = [type(np.dtype(code)) for code in "?bBhHiIlLqQefdg"]
    restored: Any = np.float64(0).__reduce__()[0]  # the function that makes a number of its bytes
    torch.serialization.add_safe_globals([restored, np.dtype, *kinds])


def dropped(file: Path) -> bool:
    """Remove an unfinished training's checkpoint if it is damaged, and say whether it was.

    nnU-Net then resumes from the best one that it keeps, or starts again without any.
    """
    try:
        check_parts(file)
    except Exception:  # of what kind depends on where a reader stumbled
        print(f"{file} is damaged: resuming from what was saved before it")
        file.unlink()
        return True
    return False


def load_checkpoint(file: Path) -> dict:
    """A checkpoint of nnU-Net's.

    `set_environment` keeps nnU-Net's own loading to the same.

    Raises:
        InputError: if the file is damaged, holds more than tensors and plain values, or weights
            that are not finite.
    """
    import torch

    allow_numbers()
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        weights = checkpoint["network_weights"]
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file} is damaged, or holds code that loading it would run: train the model again, "
            "or copy its folder again"
        ) from error
    except (RuntimeError, EOFError, KeyError, TypeError, ValueError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise InputError(
            f"{file} is not a checkpoint of nnU-Net's, or damaged: train the model again, or copy "
            "its folder again"
        ) from error
    if not all(value.isfinite().all() for value in weights.values()):
        raise InputError(
            f"{file} holds weights that are not finite: its training diverged; train it again"
        )
    return checkpoint
