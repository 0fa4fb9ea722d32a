"""Means of rows and differences between two, over trainings and over the cases they share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workflow_src.metrics.crossed import Crossed, Estimate, over_seeds
from workflow_src.metrics.planning import Spread, spread_of
from workflow_src.paper.measured import Runs, training_scores, value_at
from workflow_src.study.columns import Column


@dataclass(frozen=True)
class Measured:
    """A mean, or a difference of two, with what it was measured on.

    Args:
        estimate: in the column's unit.
        trainings: of each row.
        spread: what it varies by.
        images: that each training was scored on; 0 for a value without images, as FID.
        cases: that they come from.
    """

    estimate: Estimate
    trainings: tuple[int, ...]
    spread: Spread
    images: int = 0
    cases: int = 0

    @property
    def repeated(self) -> bool:
        """Whether every row was trained at least twice: only then is it about the method."""
        return min(self.trainings) > 1

    @property
    def unit(self) -> str:
        """What the interval is over."""
        sources = ["trainings"] * (self.estimate.seed_freedom > 0)
        sources += ["cases"] * (self.estimate.case_freedom > 0)
        return " and ".join(sources)

    @property
    def over(self) -> str:
        """What it was measured on, in words."""
        counts = " and ".join(map(str, self.trainings))
        if self.trainings == (1, 1):
            text = "one training each"
        else:
            text = f"{counts} training{'s' * (self.trainings != (1,))}"
        return text + (f", {self.images} images of {self.cases} cases" if self.images else "")


def mean_of(runs: Runs, column: Column) -> Measured | None:
    """The mean of a row; None if the measure was not run.

    Args:
        runs: metrics files, one a training, with the scores of each image beside them if the column
            has any.
        column: the measure.
    """
    return _measured([_run(runs, column)], column)


def difference(ours: Runs, theirs: Runs, column: Column) -> Measured | None:
    """The mean of a row minus that of another, over the images that both were scored on.

    Args:
        ours: as in `mean_of`.
        theirs: of the row compared with.
        column: the measure.

    Returns:
        None if one was not run, or they share no image.
    """
    return _measured([_run(ours, column), _run(theirs, column)], column)


def _run(runs: Runs, column: Column) -> Runs:
    """The trainings whose measure was run."""
    return [run for run in runs if value_at(run[1], column.path) is not None]


def _measured(rows: list[Runs], column: Column) -> Measured | None:
    if not all(rows):
        return None
    trainings = tuple(map(len, rows))
    if not column.per_image:
        values = [[value_at(facts, column.path) * column.scale for _, facts in r] for r in rows]
        estimate = over_seeds(values)
        share = sum(1 / count for count in trainings)
        seed = estimate.seed_variance / share if estimate.seed_freedom else float("nan")
        return Measured(estimate, trainings, Spread(seed))
    tables = [_without_method(training_scores(runs, column)) for runs in rows]
    shared = tables[0].index
    for table in tables[1:]:
        shared = shared.intersection(table.index)
    if shared.empty:
        return None
    scores = [table.loc[shared].to_numpy().T * column.scale for table in tables]
    crossed = Crossed(scores, np.asarray(shared.get_level_values("case")))
    return Measured(
        crossed.estimate(), trainings, spread_of(crossed), crossed.images, crossed.cases
    )


def _without_method(scores: pd.DataFrame) -> pd.DataFrame:
    """Synthetic images are named after their method; without it, those of one mask are a pair."""
    index = scores.index.to_frame(index=False)
    method = index.source.str.removeprefix("synthetic/")
    index["stem"] = [
        stem.removeprefix(f"{name}_") if name != source else stem
        for stem, name, source in zip(index.stem, method, index.source, strict=True)
    ]
    index["source"] = index.source.where(method == index.source, "synthetic")
    return scores.set_index(pd.MultiIndex.from_frame(index))
