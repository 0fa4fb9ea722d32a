"""Whether a training was stable: Table 4's last column, computed from the log."""

import numpy as np
import pandas as pd

from workflow_src.study.stability import StabilityLimits

COLUMNS = ["loss", "loss_max", "grad_norm", "grad_norm_max", "weight_max", "weight_mean"]


def judge(log: pd.DataFrame, limits: StabilityLimits) -> dict:
    """The verdict on a training log, with the figures behind it.

    Args:
        log: log.csv of a ControlNet training.
        limits: what counts as unstable.

    Returns:
        stable (bool), the figures by name, and `because`, the names of those beyond their limit.
    """
    figures = {
        "not_finite": int((~np.isfinite(log[COLUMNS].to_numpy(float))).sum()),
        "loss_spike": float(log.loss_max.max() / log.loss.median()),
        "gradient_spike": float(log.grad_norm_max.max() / log.grad_norm.median()),
        "weight_max": float(log.weight_max.max()),
        "weight_mean": float(log.weight_mean.min()),
    }
    beyond = {
        "not_finite": figures["not_finite"] > 0,
        "loss_spike": figures["loss_spike"] > limits.loss_spike,
        "gradient_spike": figures["gradient_spike"] > limits.gradient_spike,
        "weight_max": figures["weight_max"] > limits.weight_max,
        "weight_mean": figures["weight_mean"] < limits.weight_mean,
    }
    because = [name for name, is_beyond in beyond.items() if is_beyond]
    return {"stable": not because, "because": because, **figures}
