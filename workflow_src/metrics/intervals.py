"""Confidence intervals and paired tests, by case: slices of one patient are not independent."""

import numpy as np
import pandas as pd
from scipy import stats

RESAMPLES = 2000


def _by_case(values: pd.Series, cases: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    grouped = values.groupby(cases)
    return grouped.sum().to_numpy(), grouped.size().to_numpy()


def resampled_means(values: pd.Series, cases: pd.Series, seed: int = 0) -> np.ndarray:
    """Means over images of bootstrap samples of the cases.

    Args:
        values: one per image.
        cases: the case of each image.
        seed: of the resampling.

    Returns:
        (RESAMPLES,); nan with fewer than two cases.
    """
    sums, counts = _by_case(values, cases)
    if len(sums) < 2:
        return np.full(RESAMPLES, np.nan)
    return stats.bootstrap(
        (sums, counts),
        lambda s, c, axis=-1: s.sum(axis=axis) / c.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).bootstrap_distribution


def percentiles(means: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The ends that a share of resampled means, the level, lies between."""
    low, high = np.percentile(means, [50 - 50 * level, 50 + 50 * level])
    return float(low), float(high)


def mean_interval(values: pd.Series, cases: pd.Series, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean over images, resampling cases.

    Args, and what it is with fewer than two cases: as `resampled_means`.
    """
    return percentiles(resampled_means(values, cases, seed))


def paired_difference(
    ours: pd.Series, theirs: pd.Series, cases: pd.Series, seed: int = 0
) -> dict[str, float]:
    """Mean difference of two models over the same images, its interval and a sign-flip test.

    Args:
        ours: one score per image.
        theirs: likewise, of the same images in the same order.
        cases: the case of each image; signs are flipped case by case.
        seed: of resampling and flips.

    Returns:
        difference, low, high (95 %), p (two-sided), cases.
    """
    gap = ours - theirs
    low, high = mean_interval(gap, cases, seed=seed)
    sums, counts = _by_case(gap, cases)
    flips = np.random.default_rng(seed).choice([-1.0, 1.0], size=(RESAMPLES, len(sums)))
    null = np.abs(flips @ sums)
    p = (1 + (null >= abs(sums.sum()) - 1e-12).sum()) / (1 + RESAMPLES)
    return {
        "difference": float(sums.sum() / counts.sum()),
        "low": low,
        "high": high,
        "p": float(p),
        "cases": len(sums),
    }
