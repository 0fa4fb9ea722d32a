"""Paired tests between two rows of a table: over the images that both saw, or over seeds."""

import numpy as np
import pandas as pd
from scipy import stats

from workflow_src.metrics.intervals import paired_difference
from workflow_src.paper.measured import Runs, per_image_scores
from workflow_src.study.columns import Column


def _without_method(scores: pd.DataFrame) -> pd.DataFrame:
    """Synthetic images are named after their method; without it, those of one mask are a pair."""
    method = scores.source.str.removeprefix("synthetic/")
    stems = [
        stem.removeprefix(f"{name}_") if name != source else stem
        for stem, name, source in zip(scores.stem, method, scores.source, strict=True)
    ]
    source = scores.source.where(method == scores.source, "synthetic")
    return scores.assign(stem=stems, source=source)


def over_images(ours: Runs, theirs: Runs, column: Column) -> dict[str, float] | None:
    """Sign-flip test by case over the images that both were scored on, seeds averaged.

    Args:
        ours: metrics files of a row, one a seed, with metrics.csv beside them.
        theirs: of the row compared with.
        column: a column with values per image.

    Returns:
        difference, low, high (95 %), in the column's unit; p, cases, images; None if they share no
        image.
    """
    scores, others = (_without_method(per_image_scores(runs, column)) for runs in (ours, theirs))
    both = scores.merge(others, on=["source", "stem", "case"], suffixes=("", "_than"))
    if both.empty:
        return None
    test = paired_difference(both.value * column.scale, both.value_than * column.scale, both.case)
    return test | {"images": len(both)}


def over_seeds(ours: dict[int, float], theirs: dict[int, float]) -> dict[str, float] | None:
    """Student's t over the seeds that both were run with; None with fewer than two.

    Args:
        ours: a row's value at each seed.
        theirs: likewise, of the row compared with.

    Returns:
        difference, low, high (95 %), p, seeds.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if len(seeds) < 2:
        return None
    gaps = np.array([ours[seed] - theirs[seed] for seed in seeds])
    test = stats.ttest_1samp(gaps, 0.0)
    interval = test.confidence_interval(0.95)
    return {
        "difference": float(gaps.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
        "p": float(test.pvalue),
        "seeds": len(seeds),
    }
